package keysource_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/keysource"
)

// read returns the keys of a source as name=secret.
func read(t *testing.T, s keysource.Source) []string {
	t.Helper()
	keys, err := s.Keys(t.Context())
	require.NoError(t, err)
	return revealed(keys)
}

func revealed(keys []signature.Key) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.Name + "=" + k.Secret.Reveal()
	}
	return all
}

func requireError(t *testing.T, s keysource.Source, text string) {
	t.Helper()
	keys, err := s.Keys(t.Context())
	require.ErrorContains(t, err, text)
	require.ErrorContains(t, err, "keysource: ")
	require.NotContains(t, err.Error(), "guess")
	for _, k := range keys {
		require.True(t, k.Secret.Blank())
	}
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	require.NoError(t, os.Symlink(target, link))
}

func TestFile_ReadsOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "convosphere")
	long := strings.Repeat("x", 4<<10)
	for content, secret := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret",
		"secret\r": "secret\r", "secret\n\n": "secret\n", "secret\r\r\n": "secret\r", " secret \n": " secret ",
		"a\nb\n": "a\nb", long: long, long[1:] + "\n": long[1:],
	} {
		write(path, content)
		require.Equal(t, []string{"convosphere=" + secret}, read(t, keysource.File(path)), "%.20q", content)
	}
}

func TestFile_RefusesUnusableFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "key")
	requireError(t, keysource.File(path), "no such file")
	requireError(t, keysource.File(folder), "must be a regular file")
	for _, blank := range []string{"", "\n", "\r\n", " \t\n", "\x00", "\uFEFF\n"} {
		write(path, blank)
		requireError(t, keysource.File(path), "must contain a secret, but is blank")
	}
	write(path, "guess"+strings.Repeat("x", 4<<10-4))
	requireError(t, keysource.File(path), "must have at most 4096 bytes")
	loop := filepath.Join(folder, "loop")
	symlink(t, loop, loop)
	requireError(t, keysource.File(loop), "loop")
	if os.Geteuid() != 0 {
		write(path, "guess")
		require.NoError(t, os.Chmod(path, 0))
		requireError(t, keysource.File(path), "permission denied")
	}
}

func TestDir_ReadsKeysByName(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "a-folder"), 0o700))
	for name, content := range map[string]string{"b": "secret-b\n", "a": "secret-a", ".hidden": "x", "..data_tmp": "x"} {
		write(filepath.Join(folder, name), content)
	}
	require.Equal(t, []string{"a=secret-a", "b=secret-b"}, read(t, keysource.Dir(folder)))
	elsewhere := filepath.Join(t.TempDir(), "other-name")
	write(elsewhere, "secret-c")
	symlink(t, elsewhere, filepath.Join(folder, "c"))
	symlink(t, t.TempDir(), filepath.Join(folder, "d"))
	require.Equal(t, []string{"a=secret-a", "b=secret-b", "c=secret-c"}, read(t, keysource.Dir(folder)))
}

func TestDir_RefusesUnusableFolder(t *testing.T) {
	folder := t.TempDir()
	requireError(t, keysource.Dir(folder), "must have a file for each key, but has none")
	requireError(t, keysource.Dir(filepath.Join(folder, "missing")), "no such file")
	write(filepath.Join(folder, "good"), "guess")
	requireError(t, keysource.Dir(filepath.Join(folder, "good")), "good")

	write(filepath.Join(folder, "empty"), "")
	requireError(t, keysource.Dir(folder), "empty must contain a secret")
	write(filepath.Join(folder, "empty"), strings.Repeat("guess", 1000))
	requireError(t, keysource.Dir(folder), "empty must have at most 4096 bytes")
	require.NoError(t, os.Remove(filepath.Join(folder, "empty")))
	for i := range signature.MaxKeys - 1 {
		write(filepath.Join(folder, fmt.Sprint("key-", i)), "guess")
	}
	require.Len(t, read(t, keysource.Dir(folder)), signature.MaxKeys)
	write(filepath.Join(folder, "one-more"), "guess")
	requireError(t, keysource.Dir(folder), "must have at most 16 files")
	require.NoError(t, os.Remove(filepath.Join(folder, "one-more")))

	require.NoError(t, os.Remove(filepath.Join(folder, "good")))
	symlink(t, filepath.Join(folder, "missing"), filepath.Join(folder, "dangling"))
	requireError(t, keysource.Dir(folder), "dangling")
}

// A mount is a volume of a Secret in Kubernetes.
type mount struct {
	t      *testing.T
	folder string
	n      int
}

// swap replaces all files at once, as the kubelet does.
func (m *mount) swap(files map[string]string) {
	m.t.Helper()
	m.n++
	version := fmt.Sprintf("..2026_11_%02d", m.n)
	require.NoError(m.t, os.Mkdir(filepath.Join(m.folder, version), 0o700))
	for name, content := range files {
		write(filepath.Join(m.folder, version, name), content)
	}
	data := filepath.Join(m.folder, "..data")
	old, _ := os.Readlink(data)
	symlink(m.t, version, data+"_tmp")
	require.NoError(m.t, os.Rename(data+"_tmp", data))
	for name := range files {
		if link := filepath.Join(m.folder, name); !exists(link) {
			symlink(m.t, filepath.Join("..data", name), link)
		}
	}
	if old == "" {
		return
	}
	entries, err := os.ReadDir(m.folder)
	require.NoError(m.t, err)
	for _, e := range entries {
		if _, kept := files[e.Name()]; !kept && !strings.HasPrefix(e.Name(), "..") {
			require.NoError(m.t, os.Remove(filepath.Join(m.folder, e.Name())))
		}
	}
	require.NoError(m.t, os.RemoveAll(filepath.Join(m.folder, old)))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestDir_ReadsOneVersionOfKubernetesVolume(t *testing.T) {
	m := &mount{t: t, folder: t.TempDir()}
	m.swap(map[string]string{"2025-11": "old\n"})
	source, file := keysource.Dir(m.folder), keysource.File(filepath.Join(m.folder, "2025-11"))
	require.Equal(t, []string{"2025-11=old"}, read(t, source))
	require.Equal(t, []string{"2025-11=old"}, read(t, file))
	m.swap(map[string]string{"2025-11": "changed\n", "2026-11": "new\n"})
	require.Equal(t, []string{"2025-11=changed", "2026-11=new"}, read(t, source))
	require.Equal(t, []string{"2025-11=changed"}, read(t, file))

	// The kubelet adds and removes the links after the swap. A link that is missing or dangles then does not matter.
	require.NoError(t, os.Remove(filepath.Join(m.folder, "2026-11")))
	symlink(t, filepath.Join("..data", "gone"), filepath.Join(m.folder, "gone"))
	require.Equal(t, []string{"2025-11=changed", "2026-11=new"}, read(t, source))
}

func TestSourceFunc_PassesContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := keysource.SourceFunc(func(ctx context.Context) ([]signature.Key, error) { return nil, ctx.Err() }).Keys(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
