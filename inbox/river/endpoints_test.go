//go:build unix

package riverinbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// tenant returns a handler of one endpoint. Its callback sends each delivery's ID to called.
func tenant(t *testing.T, box *riverinbox.Inbox, n int, called chan<- string) *convosphere.Handler {
	t.Helper()
	c := convosphere.Config{Endpoint: fmt.Sprint("tenant-", n), Keys: []signature.Key{signature.NewKey("default", secret)}}
	hook, err := c.NewHandler(&webhook.Options{Inbox: box, Logger: slog.New(slog.DiscardHandler), StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	hook.OnEvent(func(_ context.Context, e webhook.AnyEvent) error {
		called <- e.Delivery().ID
		return nil
	})
	return hook
}

func TestEndpoints_CostNothingWhileIdle(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t)})
	const endpoints = 60
	called := make(chan string, 1)
	require.NoError(t, instance.box.Add())
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- instance.box.Run(ctx) }()
	senders := make([]*webhooktest.Sender, endpoints)
	for n := range senders {
		hook := tenant(t, instance.box, n, called)
		require.NoError(t, instance.box.Add(hook))
		senders[n] = convospheretest.NewSender(t, hook, secret)
	}
	send := func(id string, n int) {
		d := senders[n].Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})
		kit.Eventually(t, func() bool { return senders[n].Send(d).Status == http.StatusOK })
		require.Equal(t, id, <-called)
	}
	for n := range endpoints {
		send(fmt.Sprint("first-", n), n) // River works each queue
	}
	transactions := func() int {
		return query[int](t, instance.pool, `SELECT (xact_commit + xact_rollback)::int FROM pg_stat_database WHERE datname = current_database()`)
	}
	idle := math.MaxInt
	for range 6 { // the server counts what came before a second later, or more if it is busy
		before := transactions()
		time.Sleep(5 * time.Second)
		if idle = transactions() - before; idle < 250 {
			break
		}
	}
	require.Less(t, idle, 250, "each endpoint alone would cost four a second, 1200 in all")
	t.Logf("%d endpoints: %d transactions in 5 s", endpoints, idle)
	send("after", endpoints-1)
	cancel()
	require.NoError(t, <-ran)
}
