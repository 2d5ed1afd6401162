// On Windows, only administrators may create symbolic links.

//go:build unix

package capture_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
)

func TestALinkThatLiesInTheWayIsNotFollowed(t *testing.T) {
	folder := t.TempDir()
	c := &capture.Capture{Vendor: "workflux", Arrived: time.Unix(1795317067, 0), Type: "a"}
	first, err := c.Save(folder)
	require.NoError(t, err)
	require.NoError(t, os.Remove(first))
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.Symlink(victim, first))
	second, err := c.Save(folder)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoFileExists(t, victim)
}
