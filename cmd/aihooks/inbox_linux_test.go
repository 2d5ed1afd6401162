package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// readOnly makes a folder read-only by a mount, or by file modes if the test may not mount.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err == nil {
		t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
		require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, file := range files {
		require.NoError(t, os.Chmod(file, 0o400))
	}
	require.NoError(t, os.Chmod(dir, 0o500)) //nolint:gosec // a folder
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
}

func TestInbox_ReadsBackupOnReadOnlyMedia(t *testing.T) {
	w := newInboxService(t, 2)
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup.db")
	require.NoError(t, w.box.Backup(t.Context(), backup))
	readOnly(t, dir)
	id := w.dead(t)[0].ID
	require.Contains(t, run(t, "inbox", "list", "--from", backup).is(t, 0).out, "workflux/default")
	require.Contains(t, run(t, "inbox", "show", "--from", backup, id).is(t, 0).out, "user.message")
	require.Regexp(t, `all +0 +0 +0 +2 +0\n`, run(t, "inbox", "stats", "--from", backup).is(t, 0).out)
	for _, args := range [][]string{{"retry", "--from", backup, id}, {"discard", "--from", backup, id}} {
		require.Contains(t, run(t, append([]string{"inbox"}, args...)...).is(t, 1).err, "the inbox is read-only")
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "the tool must not create files")
}
