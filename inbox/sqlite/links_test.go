package sqliteinbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// A symbolic link may exist before its file, for example from a release folder to a data folder.
func TestOpen_CreatesTargetOfLink(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, near, far string) (path string){
		"link": func(t *testing.T, near, far string) string {
			return symlink(t, filepath.Join(far, "x.db"), near, "inbox.db")
		},
		"relative link": func(t *testing.T, near, far string) string {
			return symlink(t, filepath.Join("..", filepath.Base(far), "x.db"), near, "inbox.db")
		},
		"link to a link": func(t *testing.T, near, far string) string {
			return symlink(t, symlink(t, filepath.Join(far, "x.db"), near, "middle.db"), near, "inbox.db")
		},
		"folder that is a link": func(t *testing.T, near, far string) string {
			return filepath.Join(symlink(t, far, near, "folder"), "x.db")
		},
		"relative link in a linked folder": func(t *testing.T, near, far string) string {
			symlink(t, "x.db", far, "inbox.db")
			return filepath.Join(symlink(t, far, near, "folder"), "inbox.db")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			near, far := filepath.Join(dir, "near"), filepath.Join(dir, "far")
			require.NoError(t, os.Mkdir(near, 0o700))
			require.NoError(t, os.Mkdir(far, 0o700))
			path := make(t, near, far)
			_, err = sqliteinbox.Attach(path)
			require.ErrorIs(t, err, os.ErrNotExist)
			box := openBox(t, path, sqliteinbox.Options{})
			store(t, box, newDelivery(ping, "a"))
			require.FileExists(t, filepath.Join(far, "x.db"))
			require.FileExists(t, filepath.Join(far, "x.db-wal"))
			require.NoError(t, box.Close())
			require.Equal(t, 1, statsOf(t, openBox(t, path, sqliteinbox.Options{})).Pending)
		})
	}
}

func symlink(t *testing.T, target, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("this system does not create symbolic links: %v", err)
	}
	return path
}

func TestOpen_NamesALinksTarget(t *testing.T) {
	dir := filepath.Dir(pathOf(t))
	missing := filepath.Join(dir, "missing", "inbox.db")
	path := symlink(t, missing, dir, "inbox.db")
	_, err := sqliteinbox.Open(path, nil)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, missing)
	require.ErrorContains(t, err, "the folder")
	require.ErrorIs(t, err, os.ErrNotExist)

	circle := symlink(t, filepath.Join(dir, "circle.db"), dir, "circle.db")
	_, err = sqliteinbox.Open(circle, nil)
	require.ErrorContains(t, err, "too many symbolic links")
	require.ErrorContains(t, err, circle)
}
