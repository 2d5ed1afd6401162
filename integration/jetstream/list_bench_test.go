package jetstream_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
)

// BenchmarkList measures a page in milliseconds. "floor" reads the same number of messages of that stream by their
// sequences. Deliveries have 4 KiB. The server is in this process and syncs rarely, so that storing is fast.
func BenchmarkList(b *testing.B) {
	const many = 100_000
	o := options(filepath.Join(b.TempDir(), "nats"))
	o.SyncAlways, o.JetStreamMaxStore = false, 8<<30
	js := dial(b, startServer(b, o).ClientURL())
	box := open(b, js, jetstreaminbox.Options{})
	publishStored(b, js, "deadletter", "rare", 10, body)
	publishStored(b, js, "deadletter", "default", many, body)
	publishStored(b, js, "deferred", "default", 10, body)
	publishStored(b, js, "attempts", "none", many, nil)
	publishStored(b, js, "in", "default", many, body)
	publishStored(b, js, "in", "rare", many, body)
	publishStored(b, js, "in", "default", 10, body)
	s, err := js.Stream(context.Background(), "AIHOOKS")
	require.NoError(b, err)
	require.NoError(b, s.Purge(context.Background(), jetstream.WithPurgeSubject("AIHOOKS.in.workflux.rare"))) // a gap
	for _, one := range []struct {
		name, stream string
		query        inbox.Query
		entries      int
	}{
		{"deadletters", "AIHOOKS_DEADLETTERS", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}}, 100},
		{"page=1000", "AIHOOKS_DEADLETTERS", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}, Limit: 1000}, 1000},
		{"endpoint-with-ten", "AIHOOKS_DEADLETTERS", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered, Endpoint: "rare"}}, 10},
		{"state-with-ten", "AIHOOKS_DEFERRED", inbox.Query{Filter: inbox.Filter{State: inbox.Deferred}}, 10},
		{"pending-after-gap", "AIHOOKS", inbox.Query{Filter: inbox.Filter{State: inbox.Pending}}, 100},
		{"text-of-none", "AIHOOKS_DEADLETTERS", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered, Text: "no such text"}}, 10_000},
	} {
		b.Run(one.name, func(b *testing.B) {
			s, err := js.Stream(context.Background(), one.stream)
			require.NoError(b, err)
			last := s.CachedInfo().State.LastSeq
			benchpair.Measure(b, "ms", [2]string{"ours", "floor"}, func() float64 {
				began := time.Now()
				page, err := box.List(context.Background(), one.query)
				require.NoError(b, err)
				if one.query.Text == "" {
					require.Len(b, page.Entries, one.entries)
				}
				return float64(time.Since(began).Microseconds()) / 1000
			}, func() float64 {
				began := time.Now()
				for i := range one.entries {
					_, _ = s.GetMsg(context.Background(), last-uint64(i)) // may be in a gap
				}
				return float64(time.Since(began).Microseconds()) / 1000
			})
		})
	}
	b.Run("pauses-of-none", func(b *testing.B) {
		for b.Loop() {
			_, err := box.Pauses(context.Background())
			require.NoError(b, err)
		}
	})
	require.NoError(b, box.Pause(context.Background(), inbox.Scope{Vendor: "acme"}))
	publishStored(b, js, "deferred", "default", many, body)
	b.Run("pauses-of-one-before-many-deferred", func(b *testing.B) {
		for b.Loop() {
			_, err := box.Pauses(context.Background())
			require.NoError(b, err)
		}
	})
}
