package sqliteinbox_test

import (
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

func TestAttach_CreatesNothing(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	_, err := sqliteinbox.Attach(missing)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, missing)

	empty := filepath.Join(dir, "empty.db")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err = sqliteinbox.Attach(empty)
	require.ErrorContains(t, err, "there is no inbox in this file")
	info, err := os.Stat(empty)
	require.NoError(t, err)
	require.Zero(t, info.Size())
}

func TestAttach_RetriesAndDiscardsWithoutPurging(t *testing.T) {
	path := pathOf(t)
	keep := sqliteinbox.Options{DeadLetterRetention: sqliteinbox.Forever, Policy: inbox.Policy{MaxAttempts: 1}}
	box := openBox(t, path, keep)
	store(t, box, newDelivery(ping, "old"), newDelivery(ping, "older"), newDelivery(ping, "oldest"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 3 })
	stop()
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET due_at = due_at - ?`, 10*sqliteinbox.DefaultDeadLetterRetention.Milliseconds())

	tool, err := sqliteinbox.Attach(path)
	require.NoError(t, err)
	require.True(t, box.IsPurging())
	require.False(t, tool.IsPurging())
	dead := listed(t, tool, inbox.DeadLettered, all)
	require.Len(t, dead, 3)
	n, err := tool.Discard(t.Context(), inbox.Filter{ID: dead[0].ID})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = tool.Retry(t.Context(), inbox.Filter{ID: dead[1].ID})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, tool.Close())

	counts := statsOf(t, box)
	require.Equal(t, 1, counts.DeadLettered)
	require.Equal(t, 1, counts.Pending)
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 2 })
}
