package signature_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRunnerInTheREADMERunsAndNoticesAReceiverThatJudgesOtherwise(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	text, err := os.ReadFile("testdata/README.md")
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
		out, err := exec.Command(python, "-B", path, "testdata").CombinedOutput() //nolint:gosec // our own script
		return string(out), err
	}
	out, err := run(runner)
	require.NoError(t, err, out)
	require.Contains(t, out, " vectors, 0 judged otherwise\n")

	out, err = run(strings.Replace(runner, mine, `receive = lambda *case: {"accepted": False, "reason": "signature_mismatch"}`, 1))
	require.Error(t, err)
	require.Contains(t, out, "greenflash: timestamp.body: lower-case hex: want ")
}
