// Package readme compiles the Go programs of the README in tests. Each module compiles the programs that need no other
// module.
package readme

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var block = regexp.MustCompile("(?s)```go\n(.*?)```")

// Blocks returns the Go programs in a Markdown file.
func Blocks(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // the README
	require.NoError(t, err)
	var blocks []string
	for _, b := range block.FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(b[1]))
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// RequireCompile compiles main packages inside the module of the working directory, without linking them, which takes
// longer. It also checks that they are gofmt-clean.
func RequireCompile(t *testing.T, programs []string) {
	t.Helper()
	require.NotEmpty(t, programs)
	dir, err := os.Getwd()
	require.NoError(t, err)
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	file := filepath.Join(t.TempDir(), "overlay.json")
	args := []string{"list", "-export", "-overlay", file}
	for i, program := range programs {
		source := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
		out, err := exec.Command("gofmt", "-l", source).CombinedOutput() //nolint:gosec,noctx // a test's own file
		require.NoError(t, err)
		require.Empty(t, string(out), "gofmt changes this program:\n%s", program)
		name := fmt.Sprintf("readme%d", i)
		overlay.Replace[filepath.Join(dir, name, "main.go")] = source
		args = append(args, "./"+name)
	}
	index, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, index, 0o600))
	out, err := exec.Command("go", args...).CombinedOutput() //nolint:gosec,noctx // as above
	require.NoError(t, err, string(out))
}
