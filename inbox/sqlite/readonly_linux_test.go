package sqliteinbox_test

import (
	"context"
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// lock makes a disk read-only, or its folder and files if it cannot mount.
func (d *disk) lock() {
	d.t.Helper()
	if d.mounted {
		require.NoError(d.t, unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		return
	}
	files, err := os.ReadDir(d.dir)
	require.NoError(d.t, err)
	for _, f := range files {
		require.NoError(d.t, os.Chmod(d.dir+"/"+f.Name(), 0o400))
	}
	require.NoError(d.t, os.Chmod(d.dir, 0o500)) //nolint:gosec // a folder
	d.t.Cleanup(func() { _ = os.Chmod(d.dir, 0o700) })
}

// copyFiles copies the files of an open inbox, as a snapshot of its disk does.
func copyFiles(t *testing.T, from, to string, suffixes ...string) {
	t.Helper()
	for _, suffix := range suffixes {
		content, err := os.ReadFile(from + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to+suffix, content, 0o600))
	}
}

func TestAttach_LooksAtReadOnlyMedia(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, box *sqliteinbox.Inbox, from, to string){
		"backup": func(t *testing.T, box *sqliteinbox.Inbox, _, to string) {
			require.NoError(t, box.Backup(t.Context(), to))
		},
		"copy of a closed file": func(t *testing.T, box *sqliteinbox.Inbox, from, to string) {
			require.NoError(t, box.Close())
			copyFiles(t, from, to, "")
		},
		"snapshot of an open file": func(t *testing.T, _ *sqliteinbox.Inbox, from, to string) {
			copyFiles(t, from, to, "", "-wal", "-shm")
		},
		"copy with an empty log": func(t *testing.T, box *sqliteinbox.Inbox, from, to string) {
			emptyLog(t, box)
			copyFiles(t, from, to, "", "-wal")
		},
	} {
		t.Run(name, func(t *testing.T) {
			from := pathOf(t)
			box := openBox(t, from, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 1}})
			store(t, box, newDelivery(ping, "a"))
			stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
			kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
			stop()
			d := newDisk(t, 16<<20)
			prepare(t, box, from, d.path())
			d.lock()
			before, err := os.ReadDir(d.dir)
			require.NoError(t, err)

			tool, err := sqliteinbox.Attach(d.path())
			require.NoError(t, err)
			t.Cleanup(func() { _ = tool.Close() }) // a failed test would leave the disk mounted
			require.Equal(t, 1, statsOf(t, tool).DeadLettered)
			dead := listed(t, tool, inbox.DeadLettered, all)
			require.Len(t, dead, 1)
			entry, err := tool.Entry(t.Context(), dead[0].ID)
			require.NoError(t, err)
			require.NotEmpty(t, entry.Delivery.Body)
			for name, change := range map[string]func() error{
				"Retry":   func() error { _, err := tool.Retry(t.Context(), all); return err },
				"Rerun":   func() error { _, err := tool.Rerun(t.Context(), all); return err },
				"Discard": func() error { _, err := tool.Discard(t.Context(), all); return err },
				"Enqueue": func() error { _, err := tool.Enqueue(t.Context(), newDelivery(ping, "b")); return err },
				"Run":     func() error { return tool.Run(t.Context(), handlerWithOutcome(webhook.Handled)) },
				"Transact": func() error {
					return tool.Transact(t.Context(), func(context.Context, *sql.Tx) error { return nil })
				},
			} {
				require.ErrorIs(t, change(), sqliteinbox.ErrReadOnly, name)
			}
			copied := from + ".copy"
			require.NoError(t, tool.Backup(t.Context(), copied))
			require.NoError(t, tool.Close())
			after, err := os.ReadDir(d.dir)
			require.NoError(t, err)
			require.Len(t, after, len(before), "no file was created")
			require.Equal(t, 1, statsOf(t, openBox(t, copied, sqliteinbox.Options{})).DeadLettered)
		})
	}
}

// Without the log, not all stored deliveries would be listed.
func TestAttach_RefusesUnreadableLog(t *testing.T) {
	from := pathOf(t)
	box := openBox(t, from, sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	d := newDisk(t, 16<<20)
	copyFiles(t, from, d.path(), "", "-wal")
	d.lock()
	_, err := sqliteinbox.Attach(d.path())
	require.ErrorContains(t, err, "copy "+d.path()+" and "+d.path()+"-wal to a writable folder")
}
