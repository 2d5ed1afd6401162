package sqliteinbox_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxtest"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestConformance_KeepsInboxRules(t *testing.T) {
	t.Parallel() // it mostly waits
	dir := t.TempDir()
	const lease = 6 * time.Second // a busy machine renews it in time
	inboxtest.Run(t, inboxtest.Options{
		Lease: lease, Patience: kit.Patience,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			box, err := sqliteinbox.Open(filepath.Join(dir, name), &sqliteinbox.Options{Policy: p, Lease: lease})
			require.NoError(t, err)
			box.SetLockTimeout(kit.Patience)
			closes := func() { require.NoError(t, box.Close()) }
			t.Cleanup(closes)
			return box, closes
		},
	})
}

func TestConformance_KeepsStoreRules(t *testing.T) {
	t.Parallel()
	for name, boxes := range map[string]int{"opened once": 1, "opened twice": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idempotencytest.Run(t, idempotencytest.Options{
				Around: atOnce,
				// Long enough for a busy machine to poll in time.
				Retention: 4 * time.Second, Lease: 1500 * time.Millisecond, Slack: time.Second,
				New: func(t testing.TB, retention time.Duration) idempotency.Store {
					path := filepath.Join(t.TempDir(), "inbox.db")
					stores := new(inTurn)
					for range boxes {
						box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Retention: retention})
						require.NoError(t, err)
						box.SetLockTimeout(kit.Patience)
						t.Cleanup(func() { require.NoError(t, box.Close()) })
						stores.list = append(stores.list, box.Store())
					}
					return stores
				},
			})
		})
	}
}

// inTurn uses one store after the other, as processes that share a file do.
type inTurn struct {
	list []idempotency.Store
	n    atomic.Int64
}

func (s *inTurn) next() idempotency.Store { return s.list[int(s.n.Add(1))%len(s.list)] }

func (s *inTurn) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	return s.next().Claim(ctx, key, token, lease)
}

func (s *inTurn) Complete(ctx context.Context, key string, token idempotency.Token) error {
	return s.next().Complete(ctx, key, token)
}

func (s *inTurn) Release(ctx context.Context, key string, token idempotency.Token) error {
	return s.next().Release(ctx, key, token)
}

func (s *inTurn) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	return s.next().(idempotency.Renewer).Renew(ctx, key, token, lease)
}

func (s *inTurn) Retention() time.Duration { return s.next().Retention() }

// atOnce runs the cases of a suite in parallel, because most of each is waiting.
func atOnce(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	f(t)
}
