package jetstream_test

import (
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxtest"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestConformance_KeepsInboxRules(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	const lease = 6 * time.Second // long enough for a busy machine to renew it
	var stores registry[idempotency.Store]
	inboxtest.Run(t, inboxtest.Options{
		Lease:    lease,
		Patience: kit.Patience,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			js := dial(t, url)
			store := stores.get(name, func() idempotency.Store { return memory(t) })
			return open(t, js, jetstreaminbox.Options{Name: name, Policy: p, Store: store, Lease: lease}), js.Conn().Close
		},
	})
}
