package aihooks_test

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

func TestTheCodeInTheReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	root, err := os.Getwd()
	require.NoError(t, err)
	blocks := block.FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)

	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	indexFile := filepath.Join(t.TempDir(), "overlay.json")
	args := []string{"build", "-o", t.TempDir(), "-overlay", indexFile}
	for i, b := range blocks {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("block%d.go", i))
		require.NoError(t, os.WriteFile(file, b[1], 0o600))
		dir := fmt.Sprintf("readme%d", i)
		overlay.Replace[filepath.Join(root, "examples", dir, "main.go")] = file
		args = append(args, "./examples/"+dir)
	}
	index, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(indexFile, index, 0o600))
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestTheCodeInTheReadmeIsFormatted(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for i, b := range block.FindAllSubmatch(readme, -1) {
		file := filepath.Join(t.TempDir(), "block.go")
		require.NoError(t, os.WriteFile(file, b[1], 0o600))
		out, err := exec.Command("gofmt", "-l", file).CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(out), "block %d", i)
	}
}
