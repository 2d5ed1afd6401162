package aihooks_test

import (
	"bytes"
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

// usageFile holds the tests that the README shows.
const usageFile = "greenflash/greenflashtest/usage_test.go"

func TestTheCodeInTheReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	root, err := os.Getwd()
	require.NoError(t, err)
	blocks := block.FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)
	tests := 0

	// Blocks that need an engine are built in a module that has it.
	homes := map[string][]string{root: nil, filepath.Join(root, "examples"): nil}
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	for i, b := range blocks {
		if bytes.HasPrefix(b[1], []byte("package greenflashtest_test\n")) {
			// It is a test that passes, not only a program that compiles.
			usage, err := os.ReadFile(usageFile)
			require.NoError(t, err)
			require.Equal(t, string(usage), string(b[1]), "the README's tests are those in %s", usageFile)
			tests++
			continue
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("block%d.go", i))
		require.NoError(t, os.WriteFile(file, b[1], 0o600))
		home := root
		if bytes.Contains(b[1], []byte("/inbox/sqlite\"")) {
			home = filepath.Join(root, "examples")
		}
		dir := fmt.Sprintf("readme%d", i)
		overlay.Replace[filepath.Join(home, dir, "main.go")] = file
		homes[home] = append(homes[home], "./"+dir)
	}
	require.Equal(t, 1, tests)
	index, err := json.Marshal(overlay)
	require.NoError(t, err)
	indexFile := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(indexFile, index, 0o600))
	for home, packages := range homes {
		require.NotEmpty(t, packages, home)
		cmd := exec.Command("go", append([]string{"build", "-o", t.TempDir(), "-overlay", indexFile}, packages...)...)
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN=auto") // engines may need a newer Go than the root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
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
