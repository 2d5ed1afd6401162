package examples

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/readme"
)

// serverUse describes how a program creates its HTTP servers.
type serverUse struct {
	isProgram bool
	limited   bool     // creates servers with webhook.NewServer
	unlimited []string // other ways to create a server
}

func (u *serverUse) add(t *testing.T, name string, source any) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	u.isProgram = file.Name.Name == "main"
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr: // a parameter's type, *http.Server
			return false
		case *ast.SelectorExpr:
			x, _ := n.X.(*ast.Ident)
			if x == nil {
				break
			}
			switch used := x.Name + "." + n.Sel.Name; used {
			case "webhook.NewServer":
				u.limited = true
			case "http.Server", "http.ListenAndServe", "http.ListenAndServeTLS", "http.Serve", "http.ServeTLS":
				u.unlimited = append(u.unlimited, name+": "+used)
			}
		}
		return true
	})
}

func TestServers_AreLimited(t *testing.T) {
	programs := make(map[string]*serverUse) // by folder
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dir := filepath.Dir(path)
			if programs[dir] == nil {
				programs[dir] = new(serverUse)
			}
			programs[dir].add(t, path, nil)
		}
		return err
	}))
	for dir, u := range programs {
		require.Empty(t, u.unlimited)
		if u.isProgram {
			require.True(t, u.limited, "examples/%s does not use webhook.NewServer", dir)
		}
	}
	require.Greater(t, len(programs), 3)
}

func TestServers_OfReadmeAreLimited(t *testing.T) {
	n := 0
	for _, b := range readme.Blocks(t, "../README.md") {
		if !strings.Contains(b, "\nfunc main() {") {
			continue
		}
		var u serverUse
		u.add(t, "README.md", b)
		require.Empty(t, u.unlimited)
		if strings.Contains(b, "http.Handle") {
			require.True(t, u.limited, "this program does not use webhook.NewServer:\n%s", b)
			n++
		}
	}
	require.Positive(t, n)
}
