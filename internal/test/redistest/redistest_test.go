//go:build unix

package redistest_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

func TestStart_NamesMissingServer(t *testing.T) {
	t.Setenv("PATH", os.DevNull)
	_, err := redistest.Start()
	require.ErrorIs(t, err, redistest.ErrNotInstalled)
	require.ErrorContains(t, err, "apt-get install redis-server")
}
