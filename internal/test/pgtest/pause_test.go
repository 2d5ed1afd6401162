//go:build unix

package pgtest

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer_ResumesPastEndedBackend(t *testing.T) {
	backend := exec.Command("sleep", "60")
	require.NoError(t, backend.Start())
	s := new(Server)
	require.NoError(t, s.signal(backend.Process.Pid, 0))
	require.NoError(t, backend.Process.Kill())
	require.Error(t, backend.Wait())
	require.NoError(t, s.Resume(), "a backend that has ended need not be resumed")
	require.Empty(t, s.paused)
}
