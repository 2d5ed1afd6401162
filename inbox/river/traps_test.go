//go:build unix

package riverinbox_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

type slowArgs struct{}

func (slowArgs) Kind() string { return "slow" }

// effectOf writes a side effect and calls complete, in one transaction.
func effectOf(ctx context.Context, pool *pgxpool.Pool, complete func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO effects VALUES ('x')`); err != nil {
			return err
		}
		return complete(tx)
	})
}

func TestCompleteTx_FencesSideEffectUnlikeRiver(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	begun, proceed, done := make(chan struct{}, 2), make(chan struct{}), make(chan error, 2)
	var instances []*instance
	work := func(ctx context.Context, job *river.Job[slowArgs]) error {
		begun <- struct{}{}
		<-proceed
		err := effectOf(ctx, instances[0].pool, func(tx pgx.Tx) error {
			_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
			return err
		})
		done <- err
		return err
	}
	for range 2 {
		workers := river.NewWorkers()
		river.AddWorker(workers, river.WorkFunc(work))
		instances = append(instances, open(t, setup{dsn: dsn, config: river.Config{
			Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}},
		}}))
	}
	box, pool := instances[0].box, instances[0].pool
	_, err := pool.Exec(t.Context(), `CREATE TABLE effects (name TEXT NOT NULL)`)
	require.NoError(t, err)

	// River alone: one process works a job, the job is rescued, and the other process works it too.
	_, err = instances[0].client.Insert(t.Context(), slowArgs{}, nil)
	require.NoError(t, err)
	<-begun
	_, err = pool.Exec(t.Context(), `UPDATE river_job SET state = 'available' WHERE kind = 'slow'`)
	require.NoError(t, err)
	<-begun
	close(proceed)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Equal(t, 2, query[int](t, pool, `SELECT count(*) FROM effects`), "River now fences its completion: update the documentation")

	// The inbox: two processes claim the same delivery, one after the other.
	const lease = 200 * time.Millisecond
	firstLease, claim := acquire(t, box.Store(), lease)
	require.Equal(t, idempotency.Acquired, claim.State)
	first := firstLease.Context(t.Context())
	var secondLease *idempotency.Lease
	kit.Eventually(t, func() bool {
		secondLease, _ = acquire(t, box.Store(), time.Minute)
		return secondLease != nil
	})
	second := secondLease.Context(t.Context())
	late := effectOf(first, pool, func(tx pgx.Tx) error { return box.CompleteTx(first, tx) })
	require.ErrorIs(t, late, idempotency.ErrLeaseLost)
	require.NoError(t, effectOf(second, pool, func(tx pgx.Tx) error { return box.CompleteTx(second, tx) }))
	require.Equal(t, 3, query[int](t, pool, `SELECT count(*) FROM effects`))
}

// acquire acquires a key like a handler in another process.
func acquire(t testing.TB, store idempotency.Store, lease time.Duration) (*idempotency.Lease, idempotency.Claim) {
	t.Helper()
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
	require.NoError(t, err)
	acquired, claim, err := guard.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"key"}, Lease: lease})
	require.NoError(t, err)
	return acquired, claim
}

func TestConfigure_SetsRescueTimeFromLease(t *testing.T) {
	t.Parallel()
	box := newBox(t, riverinbox.Options{})
	c := new(river.Config)
	require.NoError(t, box.Configure(c))
	require.Equal(t, 2*time.Minute, c.RescueStuckJobsAfter)
	require.Zero(t, c.JobTimeout, "it belongs to the caller")

	for says, c := range map[string]river.Config{
		"Config.RescueStuckJobsAfter (1h0m0s)": {RescueStuckJobsAfter: time.Hour},
		"Config.RescueStuckJobsAfter (1m0s)":   {RescueStuckJobsAfter: time.Minute},
		"Config.JobTimeout (5m0s)":             {JobTimeout: 5 * time.Minute},
	} {
		require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&c), says)
	}
	err := newBox(t, riverinbox.Options{Lease: 30 * time.Second}).Configure(new(river.Config))
	require.ErrorContains(t, err, "Config.JobTimeout (1m0s)", "River's default applies if it is unset")
	_, err = riverinbox.New(unusedPool(t), &riverinbox.Options{Lease: time.Hour})
	require.ErrorContains(t, err, "Options.Lease (1h0m0s) must be at most 10m0s")
}

func TestEnqueue_ReportsDuplicateInEveryState(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t)})
	for _, state := range rivertype.JobStates() {
		d := newDelivery(string(state), []byte("{}"))
		duplicate, err := instance.box.Enqueue(t.Context(), d)
		require.NoError(t, err)
		require.False(t, duplicate)
		_, err = instance.pool.Exec(t.Context(), `UPDATE river_job SET state = $1::river_job_state,
			finalized_at = CASE WHEN $1 IN ('cancelled', 'completed', 'discarded') THEN now() END WHERE args->>'id' = $1`, string(state))
		require.NoError(t, err)
		duplicate, err = instance.box.Enqueue(t.Context(), d)
		require.NoError(t, err)
		require.True(t, duplicate, state)
	}
	ids := []string{}
	for _, e := range inboxkit.DeadLetters(t, instance.box) {
		ids = append(ids, e.Delivery.ID)
	}
	slices.Sort(ids)
	require.Equal(t, []string{"cancelled", "discarded"}, ids, "both are dead letters")
}

func TestConfigure_RetainsJobsForRetryWindow(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, []time.Duration{7 * day, 30 * day, 30 * day},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod})

	c = &river.Config{CompletedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: 90 * day, DiscardedJobRetentionPeriod: -1}
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, []time.Duration{-1, 90 * day, -1},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod}, "the caller's value must stay")

	c = new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{Retention: time.Hour, DeadLetterRetention: time.Hour}).Configure(c))
	require.Equal(t, []time.Duration{day, day, 7 * day},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod}, "River's default is the minimum")

	for says, c := range map[string]river.Config{
		"Config.CompletedJobRetentionPeriod (24h0m0s) must be at least 168h0m0s": {CompletedJobRetentionPeriod: day},
		"Config.CancelledJobRetentionPeriod (24h0m0s) must be at least 720h0m0s": {CancelledJobRetentionPeriod: day},
		"Config.DiscardedJobRetentionPeriod (24h0m0s) must be at least 720h0m0s": {DiscardedJobRetentionPeriod: day},
	} {
		require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&c), says)
	}
}

func TestRetryAfter_CountsInsteadOfSnoozing(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(3)})
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error {
		return webhook.RetryAfter(10*time.Millisecond, errors.New("later"))
	})
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, instance.box)) == 1 })
	require.Equal(t, 3, handler.calls("a"))
	require.Equal(t, 3, query[int](t, instance.pool, `SELECT attempt::int FROM river_job`))
	require.False(t, query[bool](t, instance.pool, `SELECT metadata ? 'snoozes' FROM river_job`))
}

// A snooze decrements River's attempt count, and so must ours. Otherwise the attempt of a process that crashes later is
// not counted.
func TestRun_SeesLossAfterSnooze(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(2)})
	none, err := convosphere.NewHandler(secret, &webhook.Options{Inbox: instance.box, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	handler.send("a")
	stop := inboxkit.Run(t, instance.box, none)
	kit.Eventually(t, func() bool {
		return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "scheduled"
	})
	stop()
	// This is the state after a crashed process and a rescue.
	_, err = instance.pool.Exec(t.Context(), `UPDATE river_job SET attempt = attempt + 1, state = 'available', scheduled_at = now()`)
	require.NoError(t, err)
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, instance.box)) == 1 })
	require.Equal(t, 2, handler.calls("a"), "the first lost attempt must not count")
	require.Equal(t, inbox.Lost, inboxkit.DeadLetters(t, instance.box)[0].Attempts[0].Outcome)
}

func TestBackoff_FollowsPolicyInsteadOfRiver(t *testing.T) {
	t.Parallel()
	options := fastRetry(100)
	options.Policy.Backoff = func(int) time.Duration { return 3 * time.Hour }
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: options})
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool {
		return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "retryable"
	})
	due := query[time.Time](t, instance.pool, `SELECT scheduled_at FROM river_job`)
	require.InDelta(t, 3*time.Hour, time.Until(due), float64(time.Minute))
}

func TestBody_SurvivesJSONBByteForByte(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(1)})
	body := []byte("{ \"b\":1.0, \"a\" : \"\\u0000\\ud800\xff\", \"a\":2 }\r\n")
	_, err := instance.box.Enqueue(t.Context(), newDelivery("a", body))
	require.NoError(t, err)
	stored := query[string](t, instance.pool, `SELECT args->>'body' FROM river_job`)
	require.Equal(t, base64.StdEncoding.EncodeToString(body), stored)
	got := make(chan []byte, 1)
	handler := newTestHandler(t, instance.box, succeed)
	handler.hook.Before(func(_ context.Context, d *webhook.Delivery) error {
		got <- d.Body
		return nil
	})
	inboxkit.Run(t, instance.box, handler.hook)
	select {
	case b := <-got:
		require.Equal(t, body, b)
	case <-time.After(kit.Patience):
		t.Fatalf("the callback was not called: %+v", inboxkit.DeadLetters(t, instance.box))
	}
}

func TestPooler_WorksWithPollOnlyAndExec(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	instance := open(t, setup{
		dsn: dsn + "&default_query_exec_mode=exec&application_name=pooled", options: fastRetry(1), config: river.Config{PollOnly: true},
	})
	handler := newTestHandler(t, instance.box, succeed)
	inboxkit.Run(t, instance.box, handler.hook)
	handler.send("a", "b")
	kit.Eventually(t, func() bool { return handler.calls("a")+handler.calls("b") == 2 })
	require.Zero(t, query[int](t, instance.pool, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pooled' AND query LIKE 'LISTEN%'`))
	require.Zero(t, query[int](t, instance.pool, `SELECT count(*) FROM pg_prepared_statements`))
}

func TestRun_FindsUnannouncedDeliverySoon(t *testing.T) {
	t.Parallel()
	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, 20*time.Millisecond, c.FetchCooldown, "River announces one delivery within that time")
	c = &river.Config{FetchCooldown: time.Second}
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, time.Second, c.FetchCooldown, "the caller's value must stay")

	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), config: river.Config{FetchCooldown: time.Minute, FetchPollInterval: time.Minute}})
	handler := newTestHandler(t, instance.box, succeed)
	inboxkit.Run(t, instance.box, handler.hook)
	for i := range 3 { // only the first is announced
		id := fmt.Sprint(i)
		handler.send(id)
		kit.Eventually(t, func() bool { return handler.calls(id) == 1 })
	}
}

func TestClient_IsForPgx(t *testing.T) {
	// River documents its other drivers as early versions. The type excludes them.
	require.IsType(t, (*river.Client[pgx.Tx])(nil), (*riverinbox.Client)(nil))
}

func TestConfigure_RefusesDisabledUniqueness(t *testing.T) {
	t.Parallel()
	c := new(river.Config)
	c.Test.DisableUniqueEnforcement = true
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(c), "Config.Test.DisableUniqueEnforcement must not be set")
}

func TestUse_RefusesFsyncOff(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t).Database(t)
	pool := poolOf(t, dsn)
	t.Cleanup(pool.Close)
	for _, sql := range []string{`ALTER SYSTEM SET fsync = off`, `SELECT pg_reload_conf()`} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	box, client := newConfigured(t, pool)
	kit.Eventually(t, func() bool { return query[string](t, pool, `SELECT current_setting('fsync')`) == "off" })
	require.ErrorContains(t, box.Use(t.Context(), client), "fsync is off")
}

func TestUse_RefusesSynchronousCommitOff(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, pgtest.Shared(t).Database(t)+"&synchronous_commit=off")
	t.Cleanup(pool.Close)
	box, client := newConfigured(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), client), "synchronous_commit is off")

	pool = poolOf(t, pgtest.New(t).Database(t))
	t.Cleanup(pool.Close)
	box, client = newConfigured(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), client), "call Migrate first", "the default must be accepted")
	_, err := pool.Exec(t.Context(), `ALTER SYSTEM SET fsync = off`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `SELECT pg_reload_conf()`)
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return query[string](t, pool, `SHOW fsync`) == "off" })
	pool.Reset() // an open connection reloads the setting late
	require.ErrorContains(t, box.Use(t.Context(), client), "fsync is off")
}

// openWithDeadLetters returns an inbox with n dead letters.
func openWithDeadLetters(t testing.TB, n int) *instance {
	t.Helper()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(1)})
	for i := range n {
		_, err := instance.box.Enqueue(t.Context(), newDelivery(fmt.Sprint(i), []byte("{}")))
		require.NoError(t, err)
	}
	_, err := instance.pool.Exec(t.Context(), `UPDATE river_job SET state = 'cancelled', finalized_at = now()`)
	require.NoError(t, err)
	return instance
}

func TestRetry_TakesEachDeadLetterOnce(t *testing.T) {
	t.Parallel()
	const n = 120
	instance := openWithDeadLetters(t, n)
	require.Len(t, inboxkit.DeadLetters(t, instance.box), n)
	var operators sync.WaitGroup
	var retried atomic.Int64
	for range 4 {
		operators.Go(func() {
			n, err := instance.box.Retry(context.Background(), inbox.Filter{All: true})
			retried.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
		})
	}
	operators.Wait()
	require.EqualValues(t, n, retried.Load())
	require.Empty(t, inboxkit.DeadLetters(t, instance.box))
}

// unusedPool returns a pool for a server that does not exist.
func unusedPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := poolOf(t, "postgres:///nowhere?host=/nowhere")
	t.Cleanup(pool.Close)
	return pool
}

func newBox(t testing.TB, o riverinbox.Options) *riverinbox.Inbox {
	t.Helper()
	box, err := riverinbox.New(unusedPool(t), &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// newConfigured returns a configured inbox, and a client that it does not use yet.
func newConfigured(t testing.TB, pool *pgxpool.Pool) (*riverinbox.Inbox, *riverinbox.Client) {
	t.Helper()
	box, err := riverinbox.New(pool, &riverinbox.Options{Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	c := &river.Config{Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, box.Configure(c))
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	require.NoError(t, err)
	return box, client
}

func TestEnqueue_ReportsOtherContent(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t)})
	first := newDelivery("a", []byte("{}"))
	_, err := instance.box.Enqueue(t.Context(), first)
	require.NoError(t, err)
	for body, want := range map[string]error{"{}": nil, "{} ": webhook.ErrOtherContent, "": webhook.ErrOtherContent} {
		duplicate, err := instance.box.Enqueue(t.Context(), newDelivery("a", []byte(body)))
		require.True(t, duplicate)
		require.ErrorIs(t, err, want)
	}
}
