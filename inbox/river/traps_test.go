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
	"github.com/aihooks/aihooks-go/internal/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

type slowArgs struct{}

func (slowArgs) Kind() string { return "slow" }

// effectOf writes a side effect and completes what it is of, in one transaction.
func effectOf(ctx context.Context, pool *pgxpool.Pool, complete func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO effects VALUES ('x')`); err != nil {
			return err
		}
		return complete(tx)
	})
}

func TestASideEffectIsFencedWhereRiversCompletionIsNot(t *testing.T) {
	t.Parallel()
	dsn := postgres(t).Database(t)
	begun, goOn, done := make(chan struct{}, 2), make(chan struct{}), make(chan error, 2)
	var sites []*site
	work := func(ctx context.Context, job *river.Job[slowArgs]) error {
		begun <- struct{}{}
		<-goOn
		err := effectOf(ctx, sites[0].pool, func(tx pgx.Tx) error {
			_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
			return err
		})
		done <- err
		return err
	}
	for range 2 {
		workers := river.NewWorkers()
		river.AddWorker(workers, river.WorkFunc(work))
		sites = append(sites, open(t, setup{dsn: dsn, config: river.Config{
			Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}},
		}}))
	}
	box, pool := sites[0].box, sites[0].pool
	_, err := pool.Exec(t.Context(), `CREATE TABLE effects (name TEXT NOT NULL)`)
	require.NoError(t, err)

	// River alone: a job is worked by one process, is rescued, and is worked by the other as well.
	_, err = sites[0].client.Insert(t.Context(), slowArgs{}, nil)
	require.NoError(t, err)
	<-begun
	_, err = pool.Exec(t.Context(), `UPDATE river_job SET state = 'available' WHERE kind = 'slow'`)
	require.NoError(t, err)
	<-begun
	close(goOn)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Equal(t, 2, query[int](t, pool, `SELECT count(*) FROM effects`), "River fences by now: the documentation may say so")

	// Ours: the same with two processes that have claimed a delivery one after the other.
	const lease = 200 * time.Millisecond
	taken, claim := acquire(t, box.Store(), lease)
	require.Equal(t, idempotency.Acquired, claim.State)
	first := taken.Context(t.Context())
	var retaken *idempotency.Lease
	soon(t, func() bool {
		retaken, _ = acquire(t, box.Store(), time.Minute)
		return retaken != nil
	})
	second := retaken.Context(t.Context())
	late := effectOf(first, pool, func(tx pgx.Tx) error { return box.CompleteTx(first, tx) })
	require.ErrorIs(t, late, idempotency.ErrLeaseLost)
	require.NoError(t, effectOf(second, pool, func(tx pgx.Tx) error { return box.CompleteTx(second, tx) }))
	require.Equal(t, 3, query[int](t, pool, `SELECT count(*) FROM effects`))
}

// acquire acquires a key as a handler in a process of its own does, unless another has it.
func acquire(t testing.TB, store idempotency.Store, lease time.Duration) (*idempotency.Lease, idempotency.Claim) {
	t.Helper()
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: storeTimeout})
	require.NoError(t, err)
	hold, claim, err := guard.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"key"}, Lease: lease})
	require.NoError(t, err)
	return hold, claim
}

func TestWhatAProcessLeavesBehindIsRescuedInMinutesAndNotAfterAnHour(t *testing.T) {
	t.Parallel()
	box := newBox(t, riverinbox.Options{})
	c := new(river.Config)
	require.NoError(t, box.Configure(c))
	require.Equal(t, 2*time.Minute, c.RescueStuckJobsAfter)
	require.Zero(t, c.JobTimeout, "is the caller's")

	for says, c := range map[string]river.Config{
		"Config.RescueStuckJobsAfter (1h0m0s)": {RescueStuckJobsAfter: time.Hour},
		"Config.RescueStuckJobsAfter (1m0s)":   {RescueStuckJobsAfter: time.Minute},
		"Config.JobTimeout (5m0s)":             {JobTimeout: 5 * time.Minute},
	} {
		require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&c), says)
	}
	err := newBox(t, riverinbox.Options{Lease: 30 * time.Second}).Configure(new(river.Config))
	require.ErrorContains(t, err, "Config.JobTimeout (1m0s)", "River's own, where it is left out")
	_, err = riverinbox.New(idle(t), &riverinbox.Options{Lease: time.Hour})
	require.ErrorContains(t, err, "Options.Lease (1h0m0s) must be at most 10m0s")
}

func TestADuplicateIsRecognizedInEveryStateOfRivers(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t)})
	for _, state := range rivertype.JobStates() {
		d := parcel(string(state), []byte("{}"))
		duplicate, err := site.box.Enqueue(t.Context(), d)
		require.NoError(t, err)
		require.False(t, duplicate)
		_, err = site.pool.Exec(t.Context(), `UPDATE river_job SET state = $1::river_job_state,
			finalized_at = CASE WHEN $1 IN ('cancelled', 'completed', 'discarded') THEN now() END WHERE args->>'id' = $1`, string(state))
		require.NoError(t, err)
		duplicate, err = site.box.Enqueue(t.Context(), d)
		require.NoError(t, err)
		require.True(t, duplicate, state)
	}
	ids := []string{}
	for _, e := range dead(t, site.box) {
		ids = append(ids, e.Delivery.ID)
	}
	slices.Sort(ids)
	require.Equal(t, []string{"cancelled", "discarded"}, ids, "both are dead letters")
}

func TestRetentionsFitTheVendorsHorizons(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, []time.Duration{7 * day, 30 * day, 30 * day},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod})

	c = &river.Config{CompletedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: 90 * day, DiscardedJobRetentionPeriod: -1}
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, []time.Duration{-1, 90 * day, -1},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod}, "as the caller wants it")

	c = new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{Retention: time.Hour, DeadLetterRetention: time.Hour}).Configure(c))
	require.Equal(t, []time.Duration{day, day, 7 * day},
		[]time.Duration{c.CompletedJobRetentionPeriod, c.CancelledJobRetentionPeriod, c.DiscardedJobRetentionPeriod}, "no less than River's own")

	for says, c := range map[string]river.Config{
		"Config.CompletedJobRetentionPeriod (24h0m0s) must be at least 168h0m0s": {CompletedJobRetentionPeriod: day},
		"Config.CancelledJobRetentionPeriod (24h0m0s) must be at least 720h0m0s": {CancelledJobRetentionPeriod: day},
		"Config.DiscardedJobRetentionPeriod (24h0m0s) must be at least 720h0m0s": {DiscardedJobRetentionPeriod: day},
	} {
		require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(&c), says)
	}
}

func TestARetryAfterIsNoSnoozeAndCounts(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(3)})
	desk := newDesk(t, site.box, func(context.Context, *webhook.Delivery) error {
		return webhook.RetryAfter(10*time.Millisecond, errors.New("later"))
	})
	desk.send("a")
	run(t, site.box, desk.hook)
	soon(t, func() bool { return len(dead(t, site.box)) == 1 })
	require.Equal(t, 3, desk.calls("a"))
	require.Equal(t, 3, query[int](t, site.pool, `SELECT attempt::int FROM river_job`))
	require.False(t, query[bool](t, site.pool, `SELECT metadata ? 'snoozes' FROM river_job`))
}

// A snooze takes River's count of attempts back, and so must ours, or the attempt of a process that dies later is not seen.
func TestRun_SeesLossAfterSnooze(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(2)})
	none, err := convosphere.NewHandler(secret, &webhook.Options{Inbox: site.box, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	desk := newDesk(t, site.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	desk.send("a")
	stop := run(t, site.box, none)
	soon(t, func() bool { return query[string](t, site.pool, `SELECT state::text FROM river_job`) == "scheduled" })
	stop()
	// As it is rescued, when a process has died with it.
	_, err = site.pool.Exec(t.Context(), `UPDATE river_job SET attempt = attempt + 1, state = 'available', scheduled_at = now()`)
	require.NoError(t, err)
	run(t, site.box, desk.hook)
	soon(t, func() bool { return len(dead(t, site.box)) == 1 })
	require.Equal(t, 2, desk.calls("a"), "the first loss does not count")
	require.Equal(t, inbox.Lost, dead(t, site.box)[0].Attempts[0].Outcome)
}

func TestARestIsThePolicysAndNotTheFourthPowerOfTheAttempt(t *testing.T) {
	t.Parallel()
	options := quick(100)
	options.Policy.Backoff = func(int) time.Duration { return 3 * time.Hour }
	site := open(t, setup{dsn: postgres(t).Database(t), options: options})
	desk := newDesk(t, site.box, func(context.Context, *webhook.Delivery) error { return errors.New("no") })
	desk.send("a")
	run(t, site.box, desk.hook)
	soon(t, func() bool { return query[string](t, site.pool, `SELECT state::text FROM river_job`) == "retryable" })
	due := query[time.Time](t, site.pool, `SELECT scheduled_at FROM river_job`)
	require.InDelta(t, 3*time.Hour, time.Until(due), float64(time.Minute))
}

func TestTheBodyTravelsByteForByteThroughJSONB(t *testing.T) {
	t.Parallel()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(1)})
	body := []byte("{ \"b\":1.0, \"a\" : \"\\u0000\\ud800\xff\", \"a\":2 }\r\n")
	_, err := site.box.Enqueue(t.Context(), parcel("a", body))
	require.NoError(t, err)
	stored := query[string](t, site.pool, `SELECT args->>'body' FROM river_job`)
	require.Equal(t, base64.StdEncoding.EncodeToString(body), stored)
	got := make(chan []byte, 1)
	desk := newDesk(t, site.box, succeed)
	desk.hook.Before(func(_ context.Context, d *webhook.Delivery) error {
		got <- d.Body
		return nil
	})
	run(t, site.box, desk.hook)
	select {
	case b := <-got:
		require.Equal(t, body, b)
	case <-time.After(patience):
		t.Fatalf("the callback is not called: %+v", dead(t, site.box))
	}
}

func TestPollOnlyAndNoPreparedStatementsWorkBehindATransactionPooler(t *testing.T) {
	t.Parallel()
	dsn := postgres(t).Database(t)
	site := open(t, setup{
		dsn: dsn + "&default_query_exec_mode=exec&application_name=pooled", options: quick(1), config: river.Config{PollOnly: true},
	})
	desk := newDesk(t, site.box, succeed)
	run(t, site.box, desk.hook)
	desk.send("a", "b")
	soon(t, func() bool { return desk.calls("a")+desk.calls("b") == 2 })
	require.Zero(t, query[int](t, site.pool, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pooled' AND query LIKE 'LISTEN%'`))
	require.Zero(t, query[int](t, site.pool, `SELECT count(*) FROM pg_prepared_statements`))
}

func TestADeliveryThatRiverDoesNotAnnounceIsFoundSoon(t *testing.T) {
	t.Parallel()
	c := new(river.Config)
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, 20*time.Millisecond, c.FetchCooldown, "River announces one delivery within that time")
	c = &river.Config{FetchCooldown: time.Second}
	require.NoError(t, newBox(t, riverinbox.Options{}).Configure(c))
	require.Equal(t, time.Second, c.FetchCooldown, "as the caller wants it")

	site := open(t, setup{dsn: postgres(t).Database(t), config: river.Config{FetchCooldown: time.Minute, FetchPollInterval: time.Minute}})
	desk := newDesk(t, site.box, succeed)
	run(t, site.box, desk.hook)
	for i := range 3 { // only the first is announced
		id := fmt.Sprint(i)
		desk.send(id)
		soon(t, func() bool { return desk.calls(id) == 1 })
	}
}

func TestTheClientIsOneOnPgx(t *testing.T) {
	// River's other drivers are behind it, and say themselves that they are new: the type keeps them out.
	require.IsType(t, (*river.Client[pgx.Tx])(nil), (*riverinbox.Client)(nil))
}

func TestAClientThatLetsDuplicatesInIsRefused(t *testing.T) {
	t.Parallel()
	c := new(river.Config)
	c.Test.DisableUniqueEnforcement = true
	require.ErrorContains(t, newBox(t, riverinbox.Options{}).Configure(c), "Config.Test.DisableUniqueEnforcement must not be set")
}

func TestAServerThatDoesNotWaitForItsDiskIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t).Database(t)
	pool := poolOf(t, dsn)
	t.Cleanup(pool.Close)
	for _, sql := range []string{`ALTER SYSTEM SET fsync = off`, `SELECT pg_reload_conf()`} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	box, client := half(t, pool)
	soon(t, func() bool { return query[string](t, pool, `SELECT current_setting('fsync')`) == "off" })
	require.ErrorContains(t, box.Use(t.Context(), client), "fsync is off")
}

func TestAServerThatAcknowledgesBeforeItHasWrittenIsRefused(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, postgres(t).Database(t)+"&synchronous_commit=off")
	t.Cleanup(pool.Close)
	box, client := half(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), client), "synchronous_commit is off")

	pool = poolOf(t, pgtest.New(t).Database(t))
	t.Cleanup(pool.Close)
	box, client = half(t, pool)
	require.ErrorContains(t, box.Use(t.Context(), client), "call Migrate first", "as it is by default it is taken")
	_, err := pool.Exec(t.Context(), `ALTER SYSTEM SET fsync = off`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `SELECT pg_reload_conf()`)
	require.NoError(t, err)
	soon(t, func() bool { return query[string](t, pool, `SHOW fsync`) == "off" })
	pool.Reset() // a connection learns of it once it has time to
	require.ErrorContains(t, box.Use(t.Context(), client), "fsync is off")
}

// graveyard returns an inbox with more dead letters than are read at once.
func graveyard(t testing.TB, n int) *site {
	t.Helper()
	site := open(t, setup{dsn: postgres(t).Database(t), options: quick(1)})
	for i := range n {
		_, err := site.box.Enqueue(t.Context(), parcel(fmt.Sprint(i), []byte("{}")))
		require.NoError(t, err)
	}
	_, err := site.pool.Exec(t.Context(), `UPDATE river_job SET state = 'cancelled', finalized_at = now()`)
	require.NoError(t, err)
	return site
}

func TestTwoOperatorsBringBackAllDeadLettersEachOnce(t *testing.T) {
	t.Parallel()
	const n = 120
	site := graveyard(t, n)
	require.Len(t, dead(t, site.box), n)
	var operators sync.WaitGroup
	var revived atomic.Int64
	for range 4 {
		operators.Go(func() {
			n, err := site.box.Retry(context.Background(), inbox.Filter{All: true})
			revived.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
		})
	}
	operators.Wait()
	require.EqualValues(t, n, revived.Load())
	require.Empty(t, dead(t, site.box))
}

// idle is a pool that is not used.
func idle(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := poolOf(t, "postgres:///nowhere?host=/nowhere")
	t.Cleanup(pool.Close)
	return pool
}

func newBox(t testing.TB, o riverinbox.Options) *riverinbox.Inbox {
	t.Helper()
	box, err := riverinbox.New(idle(t), &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// half is an inbox that is configured, with a client that it does not use yet.
func half(t testing.TB, pool *pgxpool.Pool) (*riverinbox.Inbox, *riverinbox.Client) {
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
	site := open(t, setup{dsn: postgres(t).Database(t)})
	first := parcel("a", []byte("{}"))
	_, err := site.box.Enqueue(t.Context(), first)
	require.NoError(t, err)
	for body, want := range map[string]error{"{}": nil, "{} ": webhook.ErrOtherContent, "": webhook.ErrOtherContent} {
		duplicate, err := site.box.Enqueue(t.Context(), parcel("a", []byte(body)))
		require.True(t, duplicate)
		require.ErrorIs(t, err, want)
	}
}
