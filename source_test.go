package aihooks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secretName matches the names of what must be compared in constant time.
var secretName = regexp.MustCompile(`MAC|(?i:(^|[^a-z])(mac|hmac)s?([^a-z]|$)|secret|token|password|passphrase|credential|signature|proof|digest|sum$)`)

// byteComparers are functions that compare bytes, and return early: each use of them is looked at, whatever the names.
var byteComparers = []string{"bytes.Compare", "bytes.Equal", "reflect.DeepEqual"}

// comparers are functions that compare, and return early: those uses are looked at that have the name of a secret.
var comparers = []string{
	"bytes.EqualFold", "bytes.HasPrefix", "cmp.Compare", "slices.Compare", "slices.Contains", "slices.Equal", "slices.Index", "strings.Compare", "strings.EqualFold",
	"strings.HasPrefix",
}

// comparedInTheOpen lists the comparisons that may return early, each with the reason. A new one that is safe is added
// here; one that is not uses hmac.Equal or subtle.ConstantTimeCompare.
var comparedInTheOpen = map[string]string{
	"emberqa/credential.go: c.kind == kindToken":                    "kinds of credentials",
	"emberqa/explain.go: live[i].kind == kindToken":                 "kinds of credentials",
	"emberqa/explain.go: written.token == raw":                      "two spellings of what the request shows",
	"idempotency/memory.go: by != m.mark(token)":                    "a claim's token fences, and does not authenticate",
	"idempotency/memory.go: by.tag() != token.Tag()":                "a claim's token fences, and does not authenticate",
	"idempotency/memory_shard.go: e.token == t":                     "a claim's token fences, and does not authenticate",
	"idempotency/sqlstore/store.go: completer.Tag() != token.Tag()": "a claim's token fences, and does not authenticate",
	"inbox/river/inbox.go: bytes.Equal(stored.Body, d.Body)":        "a body that is stored and an authentic one",
	"signature/diagnose/body.go: slices.Contains(t.seen, sum)":      "digests of bodies that have been tried",
	"signature/keyring.go: k.Secret.Reveal() == redacted":           "the text that replaces a secret, for a mistake of the caller's",
}

// Test kits, whose folders end in "test", receive nothing.
func TestSource_ComparesNoSecretEarly(t *testing.T) {
	found := make(map[string]bool)
	for _, path := range sources(t) {
		if !strings.Contains(path, "test/") {
			for _, comparison := range earlyComparisons(t, path, nil) {
				found[path+": "+comparison] = true
			}
		}
	}
	for comparison := range found {
		if comparedInTheOpen[comparison] == "" {
			t.Errorf("%s may return early, and so show by its time how much of a secret is right", comparison)
		}
	}
	for comparison := range comparedInTheOpen {
		if !found[comparison] {
			t.Errorf("%s is on the allow list, and not in the source", comparison)
		}
	}
}

// earlyComparisons returns the comparisons in a file whose operands have the name of a secret. Comparisons with a
// constant tell only what the source says already.
func earlyComparisons(t *testing.T, path string, source any) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	var found []string
	compared := func(whole ast.Expr, operands ...ast.Expr) {
		if !slices.ContainsFunc(operands, isConstant) && slices.ContainsFunc(operands, isSecret) {
			found = append(found, types.ExprString(whole))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				compared(n, n.X, n.Y)
			}
		case *ast.CallExpr:
			switch name := types.ExprString(n.Fun); {
			case slices.Contains(byteComparers, name):
				found = append(found, types.ExprString(n))
			case slices.Contains(comparers, name):
				compared(n, n.Args...)
			}
		case *ast.SwitchStmt:
			for _, clause := range n.Body.List {
				for _, value := range clause.(*ast.CaseClause).List {
					if n.Tag != nil && !isConstant(value) && isSecret(n.Tag) {
						found = append(found, "switch "+types.ExprString(n.Tag)+" case "+types.ExprString(value))
					}
				}
			}
		}
		return true
	})
	return found
}

// isSecret reports whether an operand has the name of a secret. The name of the package signature does not count.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		base, ok := e.X.(*ast.Ident)
		return secretName.MatchString(e.Sel.Name) || (!ok || base.Name != "signature") && isSecret(e.X)
	case *ast.IndexExpr:
		return isSecret(e.X)
	case *ast.SliceExpr:
		return isSecret(e.X)
	case *ast.StarExpr:
		return isSecret(e.X)
	case *ast.ParenExpr:
		return isSecret(e.X)
	case *ast.UnaryExpr:
		return isSecret(e.X)
	case *ast.CallExpr: // a method or a conversion of a secret
		return isSecret(e.Fun) || slices.ContainsFunc(e.Args, isSecret)
	default:
		return false
	}
}

// isConstant reports whether an operand says nothing that is not in the source: a literal, nil, a length.
func isConstant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.CallExpr:
		name, ok := e.Fun.(*ast.Ident)
		return ok && (name.Name == "len" || name.Name == "cap")
	default:
		return false
	}
}

// What ships must not depend on test support, because users of the library would compile it.
func TestSource_OnlyTestsImportTestSupport(t *testing.T) {
	for _, path := range sources(t) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imported := range file.Imports {
			if !strings.HasPrefix(path, "internal/test/") && strings.Contains(imported.Path.Value, "/internal/test/") {
				t.Errorf("%s is not a test, and imports %s", path, imported.Path.Value)
			}
		}
	}
}

func TestSource_EarlyComparisonsAreFound(t *testing.T) {
	const source = `package p
func f() {
	_ = mac == want
	_ = want != r.Secret.Reveal()
	_ = bytes.Equal(got, expectedMAC[:])
	_ = strings.EqualFold(token, x)
	_ = string(signature) == x
	_ = slices.Contains(k.tokens, x)
	_ = bytes.Equal(h.Sum(nil), want) || sum == [32]byte(x)
	_ = a.digest == b.digest
	switch password { case x: }
	_ = f == signature.Stale || mac == nil || len(mac) != size || token == "" || machine == macro
}`
	require.Len(t, earlyComparisons(t, "p.go", source), 10)
}

// sources returns the Go files of all modules except tests.
func sources(t *testing.T) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			paths = append(paths, filepath.ToSlash(path))
		}
		return nil
	}))
	require.NotEmpty(t, paths)
	return paths
}
