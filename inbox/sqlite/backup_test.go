package sqliteinbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// backups are the documented ways to back up an open inbox.
var backups = map[string]func(t *testing.T, box *sqliteinbox.Inbox, path, copy string) error{
	"Backup": func(t *testing.T, box *sqliteinbox.Inbox, _, copy string) error { return box.Backup(t.Context(), copy) },
	"VACUUM INTO of another program": func(t *testing.T, _ *sqliteinbox.Inbox, path, copy string) error {
		_, err := openRaw(t, path).ExecContext(t.Context(), "VACUUM INTO ?", copy)
		return err
	},
}

func TestBackup_HasWhatWasStoredBefore(t *testing.T) {
	t.Parallel()
	for name, backup := range backups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{})
			storeAtOnce(t, box, pings("before", 500)...)
			ctx, cancel := context.WithCancel(t.Context())
			var senders sync.WaitGroup
			stored := make(chan string, 1<<20)
			for i := range 8 {
				senders.Go(func() {
					for j := 0; ctx.Err() == nil; j++ {
						d := newDelivery(ping, fmt.Sprintf("%d-%d", i, j))
						if _, err := box.Enqueue(context.Background(), d); err != nil {
							t.Error(err)
							return
						}
						stored <- d.ID
					}
				})
			}
			inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
			for n := range 3 {
				kit.Eventually(t, func() bool { return len(stored) > 100*(n+1) })
				known := len(stored)
				names := make([]string, known)
				for i := range names {
					names[i] = <-stored
				}
				copied := fmt.Sprintf("%s.backup%d", path, n)
				require.NoError(t, backup(t, box, path, copied))
				for _, name := range names {
					stored <- name
				}
				raw := openRaw(t, copied)
				require.Equal(t, "ok", queryValue[string](t, raw, `PRAGMA integrity_check`))
				for _, name := range names {
					require.Equal(t, 1, queryValue[int](t, raw, `SELECT count(*) FROM aihooks_inbox WHERE delivery_id = ?`, name), name)
				}
				require.NoError(t, raw.Close())
			}
			cancel()
			senders.Wait()
		})
	}
}

func TestBackup_CanBeLookedAtAndRestored(t *testing.T) {
	t.Parallel()
	for name, backup := range backups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{})
			store(t, box, newDelivery(ping, "a"), newDelivery(ping, "b"))
			copied := filepath.Join(t.TempDir(), "it's a copy.db")
			require.NoError(t, backup(t, box, path, copied))
			before, err := os.ReadFile(copied)
			require.NoError(t, err)

			tool, err := sqliteinbox.Attach(copied)
			require.NoError(t, err)
			require.Equal(t, 2, statsOf(t, tool).Pending)
			require.Len(t, listed(t, tool, inbox.Pending, all), 2)
			require.NoError(t, tool.Close())
			after, err := os.ReadFile(copied)
			require.NoError(t, err)
			require.Equal(t, before, after, "reading changes nothing")
			left, err := os.ReadDir(filepath.Dir(copied))
			require.NoError(t, err)
			require.Len(t, left, 1)

			restored := openBox(t, copied, sqliteinbox.Options{})
			hook := handlerWithOutcome(webhook.Handled)
			inboxkit.Run(t, restored, hook)
			kit.Eventually(t, func() bool { return statsOf(t, restored).Done == 2 })
			raw := openRaw(t, copied)
			require.Equal(t, "wal", queryValue[string](t, raw, `PRAGMA journal_mode`))
			require.Equal(t, 2, queryValue[int](t, raw, `PRAGMA auto_vacuum`), "it can shrink as the first one could")
		})
	}
}

func TestBackup_KeepsDeadLettersForRetry(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 1}})
	store(t, box, newDelivery(ping, "a"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
	stop()
	copied := path + ".backup"
	require.NoError(t, box.Backup(t.Context(), copied))
	tool, err := sqliteinbox.Attach(copied)
	require.NoError(t, err)
	defer tool.Close()
	n, err := tool.Retry(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestBackup_OverwritesNothing(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	copied := path + ".backup"
	require.NoError(t, box.Backup(t.Context(), copied))
	require.ErrorIs(t, box.Backup(t.Context(), copied), os.ErrExist)
	require.ErrorIs(t, box.Backup(t.Context(), path), os.ErrExist)
	require.ErrorIs(t, box.Backup(t.Context(), filepath.Join(path+".missing", "x")), os.ErrNotExist, "the folder")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(copied)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, box.Backup(ctx, path+".late"), context.Canceled)
	require.NoFileExists(t, path+".late")
}

func TestView_ReadsOneState(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	const count = `SELECT count(*) FROM aihooks_inbox`
	require.NoError(t, box.View(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		var n int
		require.NoError(t, tx.QueryRowContext(ctx, count).Scan(&n))
		require.Equal(t, 1, n)
		store(t, box, newDelivery(ping, "b")) // the backup blocks no writer
		require.NoError(t, tx.QueryRowContext(ctx, count).Scan(&n))
		require.Equal(t, 1, n)
		_, err := tx.ExecContext(ctx, `DELETE FROM aihooks_inbox`)
		require.ErrorContains(t, err, "readonly")
		return nil
	}))
	require.Equal(t, 2, statsOf(t, box).Pending)
	require.ErrorIs(t, box.View(t.Context(), func(context.Context, *sql.Tx) error { return os.ErrInvalid }), os.ErrInvalid)
}
