package aihooks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	logRow     = regexp.MustCompile("^\\| `([^`]+)` \\| [^|]+ \\| ([^|]+) \\| [^|]+ \\|$")
	loggerName = regexp.MustCompile(`(?i)^(.*logger|log)$`)
	notLibrary = regexp.MustCompile(`^(cmd|examples|integration|internal/test)/|test/`)
)

// logMethods has the methods of a slog.Logger that take attributes, with the number of arguments before the attributes.
var logMethods = map[string]int{
	"Debug": 1, "Info": 1, "Warn": 1, "Error": 1,
	"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2,
	"Log": 3, "LogAttrs": 3, "With": 0,
}

// logForwarders has the functions of this module that pass attributes on, with the number of arguments before them.
var logForwarders = map[string]int{"webhook.notice": 2, "inbox/engine.log": 2}

// slogAttrs has the functions of package slog that make an attribute from a name.
var slogAttrs = []string{"Any", "Bool", "Duration", "Float64", "Group", "Int", "Int64", "String", "Time", "Uint64"}

func TestLogs_EveryAttributeIsDocumented(t *testing.T) {
	written := make(map[string][]string)
	for _, file := range sources(t) {
		folder := path.Dir(file)
		if notLibrary.MatchString(file) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		names, unread := logAttributes(parsed, folder)
		require.Empty(t, unread, "%s: the names of attributes must be literals in the call that logs", file)
		for _, name := range names {
			if !slices.Contains(written[name], folder) {
				written[name] = append(written[name], folder)
			}
		}
	}
	page, err := os.ReadFile("docs/logs.md")
	require.NoError(t, err)
	documented := make(map[string][]string)
	for line := range strings.Lines(string(page)) {
		if cells := logRow.FindStringSubmatch(strings.TrimRight(line, "\r\n")); cells != nil {
			require.NotContains(t, documented, cells[1], "the attribute has two rows")
			documented[cells[1]] = strings.Split(cells[2], ", ")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(written)) {
		require.Contains(t, documented, name, "docs/logs.md must document the attribute of the lines of %v", written[name])
		require.ElementsMatch(t, written[name], documented[name], "docs/logs.md must name the packages that write %q", name)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(written)), slices.Collect(maps.Keys(documented)), "docs/logs.md must document no other attributes")
}

func TestLogs_AttributesAreFound(t *testing.T) {
	const source = `package webhook
func (h *H) f(ctx context.Context, list []any) {
	h.options.Logger.Warn("text", "a", 1, slog.Int("b", 2), "c", 3)
	logger.ErrorContext(ctx, "text", "d", "not a name")
	l.logger.LogAttrs(ctx, level, "text", slog.String("e", "x"), attrs...)
	h.notice(ctx, "text", "f", 1)
	stream.Info(ctx)
	_ = err.Error()
	h.logger.Log(ctx, level, "text", name, 1)
	h.logger.Info("text", list...)
	_ = slog.Any(name, 1)
}
func (h *H) notice(ctx context.Context, text string, args ...any) {
	args = append([]any{"g", 1, "h", 2}, args...)
	h.options.Logger.WarnContext(ctx, text, args...)
}`
	parsed, err := parser.ParseFile(token.NewFileSet(), "f.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	names, unread := logAttributes(parsed, "webhook")
	slices.Sort(names)
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "h"}, names)
	require.Len(t, unread, 3)
}

// logAttributes returns the names of the attributes that a file logs. It also returns the positions of calls that log
// attributes whose names it cannot read.
func logAttributes(file *ast.File, folder string) (names []string, unread []token.Pos) {
	read := func(args []ast.Expr, passedOn bool) {
		for i := 0; i < len(args); i++ {
			switch arg := args[i].(type) {
			case *ast.BasicLit:
				if name, err := strconv.Unquote(arg.Value); err == nil {
					names = append(names, name)
				}
				i++ // its value
			case *ast.CallExpr:
				if !isSlogAttr(arg) && !passedOn {
					unread = append(unread, arg.Pos())
				}
			default:
				if !passedOn {
					unread = append(unread, arg.Pos())
				}
			}
		}
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		_, forwards := logForwarders[folder+"."+f.Name.Name]
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if list, ok := n.Type.(*ast.ArrayType); ok && forwards {
					if element, ok := list.Elt.(*ast.Ident); ok && element.Name == "any" {
						read(n.Elts, false)
					}
				}
			case *ast.CallExpr:
				called, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					break
				}
				if isSlogAttr(n) {
					if _, literal := n.Args[0].(*ast.BasicLit); literal {
						read(n.Args[:1], false)
					} else {
						unread = append(unread, n.Pos())
					}
					break
				}
				before, logs := logMethods[called.Sel.Name]
				if logs = logs && isLogger(called.X); !logs {
					before, logs = logForwarders[folder+"."+called.Sel.Name]
				}
				if logs && len(n.Args) > before {
					// The attributes of a list are in slog's functions, or in the literals of a forwarder.
					read(n.Args[before:], n.Ellipsis.IsValid() && (forwards || called.Sel.Name == "LogAttrs"))
				}
			}
			return true
		})
	}
	return names, unread
}

// isSlogAttr reports whether a call makes an attribute.
func isSlogAttr(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "slog" && slices.Contains(slogAttrs, f.Sel.Name)
}

// isLogger reports whether an expression has the name of a logger.
func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return loggerName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return loggerName.MatchString(e.Sel.Name)
	default:
		return false
	}
}
