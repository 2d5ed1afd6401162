package sqliteinbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// tenants returns a handler for each of n endpoints.
func tenants(n int) (stubs []*fakeHandler, hooks []inbox.Handler) {
	for i := range n {
		s := handlerWithOutcome(webhook.Handled)
		s.endpoint = fmt.Sprint("tenant-", i)
		stubs, hooks = append(stubs, s), append(hooks, s)
	}
	return stubs, hooks
}

func TestEndpoints_AreLookedAtTogether(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	storeAtOnce(t, box, pings("a", 200)...)
	for _, step := range plan(t, path, strings.ReplaceAll(sqliteinbox.DueByEndpoint, "?1", "0")) {
		if strings.Contains(step, "aihooks_inbox") {
			require.Contains(t, step, "SEARCH aihooks_inbox USING COVERING INDEX aihooks_inbox_due (state=?", "it reads one row for each endpoint with deliveries")
		}
	}
}

// plan returns SQLite's query plan.
func plan(t *testing.T, path, query string) (steps []string) {
	t.Helper()
	rows, err := openRaw(t, path).Query("EXPLAIN QUERY PLAN " + query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, steps)
	return steps
}

func TestEndpoints_OfAnotherProcessAreFound(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box, other := openBox(t, path, sqliteinbox.Options{}), openBox(t, path, sqliteinbox.Options{})
	stubs, hooks := tenants(50)
	require.NoError(t, box.Add(hooks[:25]...))
	inboxkit.Run(t, box)
	require.NoError(t, box.Add(hooks[25:]...))
	for i, s := range stubs {
		d := newDelivery(ping, fmt.Sprint("of ", i))
		d.Endpoint = s.endpoint
		store(t, other, d) // no Run of this process is notified
	}
	unknown := newDelivery(ping, "unknown")
	unknown.Endpoint = "unknown"
	store(t, other, unknown)
	for i, s := range stubs {
		kit.Eventually(t, func() bool { return len(s.calls()) == 1 }, i)
	}
	require.Equal(t, 1, statsOf(t, box).Pending)
}

func TestRun_OmitsWarningsForOtherRunsEndpoints(t *testing.T) {
	t.Parallel()
	log := new(logtest.LogBuffer)
	box := openBox(t, pathOf(t), sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text(), Concurrency: 1}})
	stubs, hooks := tenants(2)
	gate := make(chan struct{})
	for _, s := range stubs {
		s.callbacks[ping] = func(context.Context, *webhook.Delivery) webhook.Result {
			<-gate
			return webhook.Result{Outcome: webhook.Handled}
		}
	}
	inboxkit.Run(t, box, hooks[0])
	inboxkit.Run(t, box, hooks[1])
	kit.Eventually(t, func() bool { return box.CountRuns() == 2 })
	for i := range 10 {
		for _, s := range stubs {
			p := newDelivery(ping, fmt.Sprint(s.endpoint, i))
			p.Endpoint = s.endpoint
			store(t, box, p)
		}
	}
	require.NoError(t, box.LookForAbsent(t.Context()))
	require.Zero(t, log.Count("no handler in Run"))
	unknown := newDelivery(ping, "unknown")
	unknown.Endpoint = "unknown"
	store(t, box, unknown)
	kit.Eventually(t, func() bool {
		require.NoError(t, box.LookForAbsent(t.Context()))
		return log.Count("no handler in Run", "unknown") > 0
	})
	close(gate)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 20 })
}
