// Package vectors_test tests the Python programs next to the vectors. They need python3.
package vectors_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testdata = "../../signature/testdata/"

func TestGenerator_MatchesCommittedVectors(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "python3", "-B", testdata+"generate.py", "--check").CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestRunner_NoticesWrongReceiver(t *testing.T) {
	text, err := os.ReadFile(testdata + "README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```python\n")
	require.True(t, found)
	runner, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	const mine = "from reference import judge as receive"
	require.Contains(t, runner, mine)

	run := func(script string) (string, error) {
		path := filepath.Join(t.TempDir(), "runner.py")
		require.NoError(t, os.WriteFile(path, []byte(script), 0o600))
		out, err := exec.CommandContext(t.Context(), "python3", "-B", path, testdata).CombinedOutput() //nolint:gosec // our own script
		return string(out), err
	}
	out, err := run(runner)
	require.NoError(t, err, out)
	require.Contains(t, out, " vectors, 0 judged otherwise\n")

	out, err = run(strings.Replace(runner, mine, `receive = lambda *case: {"accepted": False, "reason": "signature_mismatch"}`, 1))
	require.Error(t, err)
	require.Contains(t, out, "greenflash: timestamp.body: lower-case hex: want ")
}
