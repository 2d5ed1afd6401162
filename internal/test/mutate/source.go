package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// switchName is the variable in the mutated package that selects a mutant. It is set from the environment variable of
// that name.
const switchName = "mutantUnderTest"

type mutant struct {
	change
	file  *file
	decl  *ast.FuncDecl // nil for a constant or a variable of the package
	place token.Position
	key   string // see survivors.txt
}

type file struct {
	name   string // relative to the root of the module
	source []byte
	syntax *ast.File
}

// A target is a package to mutate.
type target struct {
	path    string
	fset    *token.FileSet
	files   []*file
	imports types.Importer
	mutants []*mutant
}

// load parses and checks a package, and finds the mutants that compile.
func load(pattern string) (*target, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles", pattern)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pattern, err)
	}
	exports := make(map[string]string)
	var pkg struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; exports[pkg.ImportPath] = pkg.Export { // the last package is the pattern's
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	t := &target{path: pkg.ImportPath, fset: token.NewFileSet()}
	t.imports = importer.ForCompiler(t.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var syntax []*ast.File
	for _, name := range pkg.GoFiles {
		f := new(file)
		if f.name, err = filepath.Rel(root, filepath.Join(pkg.Dir, name)); err != nil {
			return nil, err
		}
		if f.source, err = os.ReadFile(f.name); err != nil {
			return nil, err
		}
		if f.syntax, err = parser.ParseFile(t.fset, f.name, f.source, parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		t.files, syntax = append(t.files, f), append(syntax, f.syntax)
	}
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Uses: make(map[*ast.Ident]types.Object)}
	if _, err := (&types.Config{Importer: t.imports}).Check(t.path, t.fset, syntax, info); err != nil {
		return nil, err
	}
	start := t.files[0].syntax.FileStart
	if !t.compiles(&mutant{file: t.files[0], change: change{pos: start, end: start}}) {
		return nil, fmt.Errorf("%s does not compile without the bodies of its functions", t.path)
	}
	t.find(info)
	return t, nil
}

func (t *target) find(info *types.Info) {
	counts := make(map[string]int)
	for _, f := range t.files {
		for _, decl := range f.syntax.Decls {
			fn, _ := decl.(*ast.FuncDecl)
			name := declName(decl)
			found := changes(decl, info, func(n ast.Node) string { return f.text(t.fset, n.Pos(), n.End()) })
			slices.SortStableFunc(found, func(a, b change) int { return cmp.Compare(a.pos, b.pos) })
			for _, c := range found {
				m := &mutant{change: c, file: f, decl: fn, place: t.fset.Position(c.pos)}
				line, _, _ := strings.Cut(string(f.source[bytes.LastIndexByte(f.source[:m.place.Offset], '\n')+1:]), "\n")
				old, _, more := strings.Cut(f.text(t.fset, c.pos, c.end), "\n")
				if more {
					old += " …"
				}
				m.key = fmt.Sprintf("%s %s %s [%s] -> [%s] in [%s]", filepath.ToSlash(f.name), name, c.operator, old, c.text, strings.TrimSpace(line))
				if counts[m.key]++; counts[m.key] > 1 {
					m.key += fmt.Sprintf(" #%d", counts[m.key])
				}
				if t.compiles(m) {
					t.mutants = append(t.mutants, m)
				}
			}
		}
	}
}

func declName(decl ast.Decl) string {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv != nil {
			name, _, _ := strings.Cut(strings.TrimPrefix(types.ExprString(decl.Recv.List[0].Type), "*"), "[")
			return name + "." + decl.Name.Name
		}
		return decl.Name.Name
	case *ast.GenDecl:
		return decl.Tok.String()
	default:
		return "?"
	}
}

func (f *file) text(fset *token.FileSet, pos, end token.Pos) string {
	return string(f.source[fset.Position(pos).Offset:fset.Position(end).Offset])
}

// compiles reports whether the mutated declaration passes the type checker. Unused imports are no error, because the
// original function stays in the file.
func (t *target) compiles(m *mutant) bool {
	fset := token.NewFileSet()
	at := m.place.Offset
	var syntax []*ast.File
	for _, f := range t.files {
		source := f.source
		if f == m.file {
			source = []byte(t.edit(f, f.syntax.FileStart, f.syntax.FileEnd, m.change))
		}
		parsed, err := parser.ParseFile(fset, f.name, source, parser.SkipObjectResolution)
		if err != nil {
			return false
		}
		for _, decl := range parsed.Decls { // checking other function bodies would cost time
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Name.Name == "init" || fn.Type.TypeParams != nil {
				continue
			}
			if f != m.file || fset.Position(fn.Pos()).Offset > at || fset.Position(fn.End()).Offset < at {
				fn.Body = nil
			}
		}
		syntax = append(syntax, parsed)
	}
	ok := true
	config := &types.Config{Importer: t.imports, Error: func(err error) {
		ok = ok && strings.Contains(err.Error(), "imported and not used")
	}}
	_, _ = config.Check(t.path, fset, syntax, nil)
	return ok
}

// edit returns the source between two positions with the sorted edits applied. If two overlap, it applies the first.
func (t *target) edit(f *file, pos, end token.Pos, edits ...change) string {
	var out strings.Builder
	for _, e := range edits {
		if e.pos >= pos {
			out.WriteString(f.text(t.fset, pos, e.pos) + e.text)
			pos = e.end
		}
	}
	return out.String() + f.text(t.fset, pos, end)
}

// instrument returns a file in which each function also has the bodies of its mutants. The switch selects one, so one
// build serves all mutants.
func (t *target) instrument(f *file, mutants []*mutant) string {
	var edits []change
	for _, decl := range f.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		var bodies strings.Builder
		for i, m := range mutants {
			if m.decl != fn {
				continue
			}
			changed := []change{m.change}
			ast.Inspect(fn.Body, func(n ast.Node) bool { // a label must be unique in its function
				var label *ast.Ident
				switch n := n.(type) {
				case *ast.LabeledStmt:
					label = n.Label
				case *ast.BranchStmt:
					label = n.Label
				}
				if label != nil {
					changed = append(changed, change{pos: label.Pos(), end: label.End(), text: fmt.Sprintf("%s%d", label.Name, i)})
				}
				return true
			})
			slices.SortStableFunc(changed, func(a, b change) int { return cmp.Compare(a.pos, b.pos) })
			fmt.Fprintf(&bodies, "case %d:\n%s\n", i+1, t.edit(f, fn.Body.Pos(), fn.Body.End(), changed...))
			if fn.Type.Results == nil {
				bodies.WriteString("return\n")
			}
		}
		if bodies.Len() > 0 {
			edits = append(edits, change{pos: fn.Body.Lbrace + 1, end: fn.Body.Lbrace + 1, text: "switch " + switchName + " {\n" + bodies.String() + "}\n"})
		}
	}
	return t.edit(f, f.syntax.FileStart, f.syntax.FileEnd, edits...)
}

// overlay writes the instrumented files of a package. For a single mutant outside all functions, it writes that mutant's
// file. It returns the file for the go command's -overlay flag.
func (t *target) overlay(dir string, mutants []*mutant) (string, error) {
	replace := make(map[string]string)
	write := func(name, text string) error {
		absolute, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		replace[absolute] = filepath.Join(dir, filepath.Base(name))
		return os.WriteFile(replace[absolute], []byte(text), 0o600)
	}
	for _, f := range t.files {
		text := t.instrument(f, mutants)
		if len(mutants) == 1 && mutants[0].decl == nil && mutants[0].file == f {
			text = t.edit(f, f.syntax.FileStart, f.syntax.FileEnd, mutants[0].change)
		}
		if err := write(f.name, text); err != nil {
			return "", err
		}
	}
	choose := fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar %s, _ = strconv.Atoi(os.Getenv(%[2]q))\n", t.files[0].syntax.Name.Name, switchName)
	if err := write(filepath.Join(filepath.Dir(t.files[0].name), "zz_"+strings.ToLower(switchName)+".go"), choose); err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, content, 0o600)
}

// shard returns in which of n parts a mutant runs.
func (m *mutant) shard(n int) int {
	h := fnv.New32a()
	_, _ = io.WriteString(h, m.key)
	return int(h.Sum32() % uint32(n))
}
