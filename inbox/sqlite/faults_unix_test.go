// Windows has neither such names nor such modes.

//go:build unix

package sqliteinbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

func TestOpen_NamesOfUnix(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a?b.db", "memory:", `a\b.db`} {
		requireFileNamed(t, filepath.Join(dir, name))
	}
}

func TestOpen_MakesFilesPrivate(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
}
