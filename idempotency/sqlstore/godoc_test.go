package sqlstore_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGodoc_ShowsNoSQL checks the length of exported values, because godoc shows a variable with its whole value.
func TestGodoc_ShowsNoSQL(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	set := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(set, name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			values, ok := decl.(*ast.GenDecl)
			if !ok || values.Tok != token.VAR && values.Tok != token.CONST || strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, spec := range values.Specs {
				v := spec.(*ast.ValueSpec)
				if v.Names[0].IsExported() {
					require.LessOrEqual(t, set.Position(v.End()).Line-set.Position(v.Pos()).Line, 2, "the value of %s fills its documentation", v.Names[0])
				}
			}
		}
	}
}
