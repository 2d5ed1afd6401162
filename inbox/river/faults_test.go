//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestWhileTheServerIsAwayDeliveriesAreAnswered503InTimeAndThenAllGoesOnByItself(t *testing.T) {
	t.Parallel()
	var away time.Duration
	if full() {
		away = time.Minute
	}
	server := pgtest.New(t)
	options := quick(10)
	options.Lease = 3 * time.Second // what was lost on the wire is taken for lost with its process
	site := open(t, setup{dsn: server.Database(t), options: options, config: river.Config{JobTimeout: time.Second}})
	site.hurry()
	desk := newDesk(t, site.box, succeed)
	run(t, site.box, desk.hook)
	var accepted []string
	send := func(id string) int {
		status := desk.post(id)
		if status == http.StatusOK {
			accepted = append(accepted, id)
		}
		return status
	}
	require.Equal(t, http.StatusOK, send("before"))
	for name, outage := range map[string]struct{ begin, end func() error }{
		"stopped": {server.Stop, server.Start},
		"killed":  {server.Crash, server.Start},
		"paused":  {server.Pause, server.Resume},
	} {
		require.NoError(t, outage.begin())
		for began, n := time.Now(), 0; n < 2 || time.Since(began) < away; n++ { // each is answered while the server is away
			require.Equal(t, http.StatusServiceUnavailable, send(fmt.Sprint(name, n)), name)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := site.box.Enqueue(ctx, parcel(name, []byte("{}")))
		cancel()
		require.Error(t, err)
		require.NoError(t, outage.end())
		n := 0
		soon(t, func() bool { n++; return send(fmt.Sprint("after ", name, n)) == http.StatusOK }, name)
	}
	for _, id := range accepted {
		soon(t, func() bool { return desk.calls(id) >= 1 }, id)
	}
}

func TestARunThatBeginsWhileTheServerIsAwayBeginsOnceItIsBack(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	site := open(t, setup{dsn: server.Database(t), options: quick(10)})
	desk := newDesk(t, site.box, succeed)
	desk.send("a")
	require.NoError(t, server.Stop())
	run(t, site.box, desk.hook)
	require.NoError(t, server.Start())
	soon(t, func() bool { return desk.calls("a") == 1 })
}

func TestAnErrorThatJSONBCannotHoldIsKeptAllTheSame(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(2)})
	desk := newDesk(t, site.box, func(context.Context, *webhook.Delivery) error { return errors.New("no\x00\xff such thing") })
	desk.send("a")
	run(t, site.box, desk.hook)
	soon(t, func() bool { return len(dead(t, site.box)) == 1 })
	e := dead(t, site.box)[0]
	require.Len(t, e.Attempts, 2)
	require.True(t, strings.HasPrefix(e.LastError(), "no\uFFFD"), "%q", e.LastError())
}

func TestAPolicysMaxAttemptsHoldForWhatIsStoredAlready(t *testing.T) {
	t.Parallel()
	dsn := postgres(t).Database(t)
	first := open(t, setup{dsn: dsn, options: quick(1)})
	newDesk(t, first.box, succeed).send("a")
	first.close()
	second := open(t, setup{dsn: dsn, options: quick(40)})
	desk := newDesk(t, second.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	stop := run(t, second.box, desk.hook)
	soon(t, func() bool { return desk.calls("a") > 30 })
	stop()
	second.close()
	third := open(t, setup{dsn: dsn, options: quick(3)})
	desk = newDesk(t, third.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	run(t, third.box, desk.hook)
	soon(t, func() bool { return len(dead(t, third.box)) == 1 })
	require.LessOrEqual(t, desk.calls("a"), 1)
}

func TestAHandlersQueueCanBePausedByRiversOwnMeans(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(1)})
	desk := newDesk(t, site.box, succeed)
	run(t, site.box, desk.hook)
	desk.send("a")
	soon(t, func() bool { return desk.calls("a") == 1 })
	require.NoError(t, site.client.QueuePause(t.Context(), "aihooks|convosphere|default", nil))
	desk.send("b")
	require.NoError(t, site.client.QueueResume(t.Context(), "aihooks|convosphere|default", nil))
	soon(t, func() bool { return desk.calls("b") == 1 })
}

func TestADiscardedDeliveryKeepsItsKeyAndLosesItsBody(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(1)})
	desk := newDesk(t, site.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	desk.send("a")
	run(t, site.box, desk.hook)
	soon(t, func() bool { return len(dead(t, site.box)) == 1 })
	n, err := site.box.Discard(t.Context(), inbox.Filter{All: true})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	soon(t, func() bool { return query[string](t, site.pool, `SELECT state::text FROM river_job`) == "completed" })
	require.True(t, query[bool](t, site.pool, `SELECT args->>'body' IS NULL AND args->>'delivery' IS NULL FROM river_job`))
	desk.send("a")
	require.Equal(t, 1, query[int](t, site.pool, `SELECT count(*) FROM river_job`))
}

func TestTheOrderOfTheSetupIsSaid(t *testing.T) {
	t.Parallel()
	_, err := riverinbox.New(nil, nil)
	require.ErrorContains(t, err, "New needs a pool")
	pool := poolOf(t, postgres(t).Database(t))
	t.Cleanup(pool.Close)

	box, err := riverinbox.New(pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	_, err = box.Enqueue(t.Context(), parcel("a", nil))
	require.ErrorContains(t, err, "call Use")
	require.ErrorContains(t, box.Run(t.Context(), newDesk(t, box, succeed).hook), "call Use")
	require.ErrorContains(t, box.Configure(nil), "river.Config")
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	require.ErrorContains(t, box.Use(t.Context(), client), "call Configure before Use")

	box, client = half(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), nil), "needs a client")
	require.ErrorContains(t, box.Use(t.Context(), client), "call Migrate first")
	require.NoError(t, box.Migrate(t.Context()))
	require.NoError(t, box.Use(t.Context(), client))
	require.ErrorContains(t, box.Use(t.Context(), client), "called before")
	duplicate, err := box.Enqueue(t.Context(), parcel("a", nil))
	require.NoError(t, err, "a process that only receives starts no client")
	require.False(t, duplicate)

	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(c), "a client must have only one inbox")
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&river.Config{Schema: "other"}), "Options.Namespace")
}

func TestOptionsThatBreakARuleAreNamed(t *testing.T) {
	t.Parallel()
	pool := idle(t)
	for says, o := range map[string]riverinbox.Options{
		"Options.Lease (-1ns) must not be negative":                {Lease: -1},
		"Options.Lease (1ms) must be at least 1s":                  {Lease: time.Millisecond},
		"Options.Poll (1ms) must not be shorter":                   {Poll: time.Millisecond},
		"Options.Retention (-1ns) must not be negative":            {Retention: -1},
		"Options.DeadLetterRetention (-1ns) must not be negative":  {DeadLetterRetention: -1},
		"Options.Namespace":                                        {Namespace: "a b"},
		"Policy.MaxAttempts cannot be negative":                    {Policy: inbox.Policy{MaxAttempts: -1}},
		"Options.Policy.Concurrency (10001) must be at most 10000": {Policy: inbox.Policy{Concurrency: 10_001}},
	} {
		_, err := riverinbox.New(pool, &o)
		require.ErrorContains(t, err, says)
	}
}
