package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxtest"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

func TestTheInboxKeepsTheRules(t *testing.T) {
	t.Parallel() // most of it is waiting
	dir := t.TempDir()
	const lease = 2 * time.Second
	inboxtest.Run(t, inboxtest.Options{
		Lease: lease,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			box, err := sqlite.Open(filepath.Join(dir, name), &sqlite.Options{Policy: p, Lease: lease})
			require.NoError(t, err)
			closes := func() { require.NoError(t, box.Close()) }
			t.Cleanup(closes)
			return box, closes
		},
	})
}

func TestTheStoreInTheFileKeepsTheRules(t *testing.T) {
	t.Parallel()
	idempotencytest.Run(t, idempotencytest.Options{
		New: func(t testing.TB, retention time.Duration) idempotency.Store {
			box, err := sqlite.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqlite.Options{Retention: retention})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, box.Close()) })
			return box.Store()
		},
	})
}
