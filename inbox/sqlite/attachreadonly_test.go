package sqliteinbox_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// contentOf returns a digest of each file in a folder, with the time of its last change.
func contentOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	content := make(map[string]string)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		info, err := f.Info()
		require.NoError(t, err)
		content[f.Name()] = fmt.Sprintf("%v %d bytes %x", info.ModTime(), len(text), sha256.Sum256(text))
	}
	return content
}

func TestAttachReadOnly_ChangesNothing(t *testing.T) {
	copied := func(suffixes ...string) func(t *testing.T, box *sqliteinbox.Inbox, from string) string {
		return func(t *testing.T, _ *sqliteinbox.Inbox, from string) string {
			to := pathOf(t)
			for _, suffix := range suffixes {
				content, err := kit.Role("cat", envFile+"="+from+suffix).Output()
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(to+suffix, content, 0o600))
			}
			return to
		}
	}
	for name, prepare := range map[string]func(t *testing.T, box *sqliteinbox.Inbox, from string) string{
		"after a crash": copied("", "-wal", "-shm"),
		"after a shutdown": func(t *testing.T, box *sqliteinbox.Inbox, from string) string {
			require.NoError(t, box.Close())
			return from
		},
	} {
		t.Run(name, func(t *testing.T) {
			from := pathOf(t)
			box := openBox(t, from, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 1}})
			store(t, box, newDelivery(ping, "a"))
			stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
			kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
			stop()
			path := prepare(t, box, from)
			dir := filepath.Dir(path)
			before := contentOf(t, dir)
			tool, err := sqliteinbox.AttachReadOnly(path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = tool.Close() })
			require.Equal(t, 1, statsOf(t, tool).DeadLettered)
			page, err := tool.List(t.Context(), inbox.Query{})
			require.NoError(t, err)
			require.Len(t, page.Entries, 1)
			e, err := tool.Entry(t.Context(), page.Entries[0].ID)
			require.NoError(t, err)
			require.NotEmpty(t, e.Delivery.Body)
			pauses, err := tool.Pauses(t.Context())
			require.NoError(t, err)
			require.Empty(t, pauses)
			audit, err := tool.Audit(t.Context())
			require.NoError(t, err)
			require.Empty(t, audit)
			for name, change := range map[string]func() error{
				"Retry":  func() error { _, err := tool.Retry(t.Context(), all); return err },
				"Pause":  func() error { return tool.Pause(t.Context(), inbox.Scope{Type: ping}) },
				"Resume": func() error { return tool.Resume(t.Context(), inbox.Scope{Type: ping}) },
				"Run":    func() error { return tool.Run(t.Context(), handlerWithOutcome(webhook.Handled)) },
			} {
				require.ErrorIs(t, change(), sqliteinbox.ErrReadOnly, name)
			}
			require.NoError(t, tool.Close())
			require.Equal(t, before, contentOf(t, dir))
		})
	}
}

func TestAttachReadOnly_FollowsRunningService(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	tool, err := sqliteinbox.AttachReadOnly(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tool.Close()) })
	require.Zero(t, statsOf(t, tool).Pending)
	store(t, box, newDelivery(ping, "a"))
	require.Equal(t, 1, statsOf(t, tool).Pending)
	require.NoError(t, box.Pause(t.Context(), inbox.Scope{Type: ping}))
	pauses, err := tool.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, 1)
	_, err = sqliteinbox.AttachReadOnly(filepath.Dir(path))
	require.ErrorContains(t, err, "is a folder")
	_, err = sqliteinbox.AttachReadOnly(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
