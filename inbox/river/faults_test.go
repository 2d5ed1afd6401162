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
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestOutage_RespondsInTimeAndRecovers(t *testing.T) {
	t.Parallel()
	var duration time.Duration
	if kit.Full() {
		duration = time.Minute
	}
	server := pgtest.New(t)
	options := fastRetry(10)
	options.Lease = 3 * time.Second // a result that was lost on the network counts as a lost process
	instance := open(t, setup{dsn: server.Database(t), options: options, config: river.Config{JobTimeout: time.Second}})
	instance.rescueOften()
	handler := newTestHandler(t, instance.box, succeed)
	inboxkit.Run(t, instance.box, handler.hook)
	handler.send("before")
	accepted := []string{"before"}
	send := func(id string) int {
		status := handler.post(id).Status
		if status == http.StatusOK {
			accepted = append(accepted, id)
		}
		return status
	}
	for name, outage := range map[string]struct{ begin, end func() error }{
		"stopped": {server.Stop, server.Start},
		"killed":  {server.Crash, server.Start},
		"paused":  {server.Pause, server.Resume},
	} {
		require.NoError(t, outage.begin())
		for began, n := time.Now(), 0; n < 2 || time.Since(began) < duration; n++ { // every response arrives during the outage
			require.Equal(t, http.StatusServiceUnavailable, send(fmt.Sprint(name, n)), name)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := instance.box.Enqueue(ctx, newDelivery(name, []byte("{}")))
		cancel()
		require.Error(t, err)
		require.NoError(t, outage.end())
		n := 0
		kit.Eventually(t, func() bool { n++; return send(fmt.Sprint("after ", name, n)) == http.StatusOK }, name)
	}
	for _, id := range accepted {
		kit.Eventually(t, func() bool { return handler.calls(id) >= 1 }, id)
	}
}

func TestOutage_StartsRunOnReconnect(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	var log logtest.LogBuffer
	options := fastRetry(10)
	options.Policy.Logger = log.Text()
	instance := open(t, setup{dsn: server.Database(t), options: options})
	handler := newTestHandler(t, instance.box, succeed)
	handler.send("a")
	require.NoError(t, server.Stop())
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return log.Count("River does not work a queue yet") >= 3 })
	require.Zero(t, log.Count("already added"), "what River has kept of a failed attempt does not prevent the next one")
	require.NoError(t, server.Start())
	kit.Eventually(t, func() bool { return handler.calls("a") == 1 })
}

func TestRun_KeepsErrorInvalidInJSONB(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(2)})
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error { return errors.New("no\x00\xff such thing") })
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, instance.box)) == 1 })
	e := inboxkit.DeadLetters(t, instance.box)[0]
	require.Len(t, e.Attempts, 2)
	require.True(t, strings.HasPrefix(e.LastError(), "no\uFFFD"), "%q", e.LastError())
}

func TestPolicy_AppliesMaxAttemptsToStoredDeliveries(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	first := open(t, setup{dsn: dsn, options: fastRetry(1)})
	newTestHandler(t, first.box, succeed).send("a")
	first.close()
	second := open(t, setup{dsn: dsn, options: fastRetry(40)})
	handler := newTestHandler(t, second.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	stop := inboxkit.Run(t, second.box, handler.hook)
	kit.Eventually(t, func() bool { return handler.calls("a") > 30 })
	stop()
	second.close()
	third := open(t, setup{dsn: dsn, options: fastRetry(3)})
	handler = newTestHandler(t, third.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	inboxkit.Run(t, third.box, handler.hook)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, third.box)) == 1 })
	require.LessOrEqual(t, handler.calls("a"), 1)
}

func TestQueue_HonorsRiverPause(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(1)})
	handler := newTestHandler(t, instance.box, succeed)
	inboxkit.Run(t, instance.box, handler.hook)
	handler.send("a")
	kit.Eventually(t, func() bool { return handler.calls("a") == 1 })
	require.NoError(t, instance.client.QueuePause(t.Context(), "aihooks|convosphere|default", nil))
	handler.send("b")
	require.NoError(t, instance.client.QueueResume(t.Context(), "aihooks|convosphere|default", nil))
	kit.Eventually(t, func() bool { return handler.calls("b") == 1 })
}

func TestDiscard_KeepsKeyAndDeletesBody(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(1)})
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, instance.box)) == 1 })
	n, err := instance.box.Discard(t.Context(), inbox.Filter{All: true})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	kit.Eventually(t, func() bool {
		return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "completed"
	})
	require.True(t, query[bool](t, instance.pool, `SELECT args->>'body' IS NULL AND args->>'delivery' IS NULL FROM river_job`))
	handler.send("a")
	require.Equal(t, 1, query[int](t, instance.pool, `SELECT count(*) FROM river_job`))
}

func TestSetup_NamesMissingStep(t *testing.T) {
	t.Parallel()
	_, err := riverinbox.New(nil, nil)
	require.ErrorContains(t, err, "New needs a pool")
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)

	box, err := riverinbox.New(pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	_, err = box.Enqueue(t.Context(), newDelivery("a", nil))
	require.ErrorContains(t, err, "call Use")
	_, err = box.Stats(t.Context())
	require.ErrorContains(t, err, "call Use")
	require.ErrorContains(t, box.Run(t.Context(), newTestHandler(t, box, succeed).hook), "call Use")
	require.ErrorContains(t, box.Configure(nil), "river.Config")
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	require.ErrorContains(t, box.Use(t.Context(), client), "call Configure before Use")

	box, client = newConfigured(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), nil), "needs a client")
	require.ErrorContains(t, box.Use(t.Context(), client), "call Migrate first")
	require.NoError(t, box.Migrate(t.Context()))
	require.NoError(t, box.Use(t.Context(), client))
	require.ErrorContains(t, box.Use(t.Context(), client), "called before")
	duplicate, err := box.Enqueue(t.Context(), newDelivery("a", nil))
	require.NoError(t, err, "a process that only receives needs no started client")
	require.False(t, duplicate)

	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(c), "a client must have only one inbox")
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&river.Config{Schema: "other"}), "Options.Namespace")
}

func TestNew_NamesInvalidOption(t *testing.T) {
	t.Parallel()
	pool := unusedPool(t)
	for says, o := range map[string]riverinbox.Options{
		"Options.Lease (-1ns) must not be negative":                {Lease: -1},
		"Options.Lease (1ms) must be at least 1s":                  {Lease: time.Millisecond},
		"Options.Poll (1ms) must not be shorter":                   {Poll: time.Millisecond},
		"Options.Retention (-1ns) must not be negative":            {Retention: -1},
		"Options.DeadLetterRetention (-1ns) must not be negative":  {DeadLetterRetention: -1},
		"Options.Namespace":                                        {Namespace: "a b"},
		"Policy.MaxAttempts (-1) must not be negative":             {Policy: inbox.Policy{MaxAttempts: -1}},
		"Options.Policy.Concurrency (10001) must be at most 10000": {Policy: inbox.Policy{Concurrency: 10_001}},
	} {
		_, err := riverinbox.New(pool, &o)
		require.ErrorContains(t, err, says)
	}
}
