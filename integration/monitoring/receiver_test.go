//go:build unix

package monitoring_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// build builds examples/receiver.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "receiver")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join("..", "..", "examples", "receiver")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// A receiver is a running examples/receiver.
type receiver struct{ webhooks, metrics string } // addresses

// startReceiver starts a receiver, and stops it when the test ends.
func startReceiver(t *testing.T, binary string, env ...string) *receiver {
	t.Helper()
	log := new(logtest.LogBuffer)
	cmd := exec.Command(binary)
	cmd.Env = append(append(os.Environ(), "ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"), env...)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, kit.Start(cmd))
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadBytes('\n')
	require.NoError(t, err, "log: %s", log)
	var addresses struct{ Listening, Metrics string }
	require.NoError(t, json.Unmarshal(first, &addresses))
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return &receiver{addresses.Listening, addresses.Metrics}
}
