package sqliteinbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestRun_DefersDeliveriesWithoutCallback(t *testing.T) {
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	old := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	renewed := openBox(t, path, sqliteinbox.Options{})
	store(t, old, newDelivery(pong, "a"), newDelivery(pong, "b"))
	inboxkit.Run(t, old, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, old).Deferred == 2 })
	require.Equal(t, 1, log.Count("level=WARN", "no callback", "vendor=acme", "type=pong"), "once for each type: %s", log)
	both := newFakeHandler(callbacks{pong: func(context.Context, *webhook.Delivery) webhook.Result {
		return webhook.Result{Outcome: webhook.Handled}
	}})
	inboxkit.Run(t, renewed, both)
	kit.Eventually(t, func() bool {
		require.NoError(t, renewed.ResumeDeferred(t.Context())) // the old process may have been faster and deferred them again
		return statsOf(t, renewed).Done == 2
	})
	require.Len(t, both.calls(), 2)
	for _, e := range listed(t, renewed, inbox.Done, all) {
		require.Len(t, e.Attempts, 2, "uncounted attempts are merged")
		require.Equal(t, webhook.Unhandled, e.Attempts[0].Outcome)
		require.False(t, e.Attempts[0].Counted)
	}
	// The new process finds deliveries that the old one defers later.
	_, err := old.Enqueue(t.Context(), newDelivery(pong, "c"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool {
		require.NoError(t, renewed.ResumeDeferred(t.Context()))
		return statsOf(t, renewed).Done == 3
	})
}

func TestRun_FindsDeferredDeliveries(t *testing.T) {
	t.Parallel() // it takes ten seconds
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	hook := handlerWithOutcome(webhook.Handled)
	store(t, box, newDelivery(ping, "a"))
	deferAll := func() { mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 2`) }
	deferAll()
	isDone := func() bool { return statsOf(t, box).Done == 1 }
	for began := time.Now(); !isDone() && time.Since(began) < kit.Patience; { // a busy machine may need more than one Run
		stop := inboxkit.Run(t, box, hook)
		for began := time.Now(); !isDone() && time.Since(began) < 8*time.Second; time.Sleep(10 * time.Millisecond) { // the second check is due after ten
		}
		stop()
	}
	require.True(t, isDone(), "the first check of a Run finds them")
	deferAll()
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, isDone)
	deferAll() // during the Run
	kit.Eventually(t, isDone)
	require.Len(t, hook.calls(), 3)
}

func TestRun_PollsForOtherProcessesDeliveries(t *testing.T) {
	path := pathOf(t)
	runs, takes := openBox(t, path, sqliteinbox.Options{Poll: 50 * time.Millisecond}), openBox(t, path, sqliteinbox.Options{})
	hook := handlerWithOutcome(webhook.Handled)
	inboxkit.Run(t, runs, hook)
	for i := range 3 {
		store(t, takes, newDelivery(ping, fmt.Sprint(i)))
		kit.Eventually(t, func() bool { return len(hook.calls()) == i+1 })
	}
}

func TestRun_StartsOwnDeliveriesWithoutPolling(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{Poll: time.Hour})
	var calls atomic.Int64
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		if calls.Add(1) < 4 {
			return webhook.Result{Outcome: webhook.Failed, Reason: webhook.ReasonRetryAfter, RetryAfter: 30 * time.Millisecond}
		}
		return webhook.Result{Outcome: webhook.Handled}
	}})
	inboxkit.Run(t, box, hook)
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	store(t, box, newDelivery(ping, "a"))
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
	require.GreaterOrEqual(t, time.Since(began), 90*time.Millisecond, "none comes early")
	require.EqualValues(t, 4, calls.Load())
}

func TestLease_ReportsLossAndRecordsOnce(t *testing.T) {
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	const lease = time.Minute
	// With Concurrency 1, the slow process takes no other delivery.
	slow := openBox(t, path, sqliteinbox.Options{Lease: lease, Policy: inbox.Policy{Logger: log.Text(), Concurrency: 1}})
	quick := openBox(t, path, sqliteinbox.Options{})
	release, began := make(chan struct{}), make(chan struct{})
	store(t, slow, newDelivery(ping, "a"))
	stopSlow := inboxkit.Run(t, slow, newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		close(began)
		<-release
		return webhook.Result{Outcome: webhook.DeadLettered, Err: errors.New("late")}
	}}))
	<-began
	raw := openRaw(t, path)
	hook := handlerWithOutcome(webhook.Handled)
	inboxkit.Run(t, quick, hook)
	kit.Eventually(t, func() bool {
		mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = 1 WHERE takes = 1`) // its lease has ended, also if the slow process has renewed it
		require.NoError(t, quick.ReleaseLost(t.Context()))
		return statsOf(t, quick).Done == 1
	})
	close(release)
	kit.Eventually(t, func() bool { return log.Count("level=WARN", "lease of a delivery had ended", "entry=1", "id=a") == 1 }, log)
	stopSlow()
	require.Equal(t, inbox.Counts{Done: 1}, statsOf(t, quick))
	e, err := quick.Entry(t.Context(), "1")
	require.NoError(t, err)
	require.Len(t, e.Attempts, 2)
	require.Equal(t, inbox.Lost, e.Attempts[0].Outcome)
	require.Zero(t, log.Count("dead letter"))
}

func TestLease_IgnoresLateResultOfRetakenDelivery(t *testing.T) {
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	release := make(chan struct{})
	var calls atomic.Int64
	store(t, box, newDelivery(ping, "a"))
	inboxkit.Run(t, box, newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		if calls.Add(1) == 1 {
			<-release
			return webhook.Result{Outcome: webhook.DeadLettered, Err: errors.New("late")}
		}
		for log.Count("lease of a delivery had ended") == 0 {
			time.Sleep(time.Millisecond)
		}
		return webhook.Result{Outcome: webhook.Handled}
	}}))
	kit.Eventually(t, func() bool { return calls.Load() == 1 })
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 0, due_at = 1`) // as another process's releaseLost would
	kit.Eventually(t, func() bool { return calls.Load() == 2 })
	close(release)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 }, log)
	require.Equal(t, 1, log.Count("lease of a delivery had ended"))
}

func TestRescue_LeavesOwnRunningDeliveries(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{Lease: time.Hour})
	release := make(chan struct{})
	store(t, box, newDelivery(ping, "a"))
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		<-release
		return webhook.Result{Outcome: webhook.Handled}
	}})
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return len(hook.calls()) == 1 })
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET due_at = 1`) // as if a full disk prevented the renewal
	require.NoError(t, box.ReleaseLost(t.Context()))
	require.Equal(t, inbox.Counts{Running: 1}, statsOf(t, box))
	close(release)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
	require.Len(t, hook.calls(), 1)
}

func TestRescue_DeadLettersRepeatedlyLostDeliveries(t *testing.T) {
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	var told kit.Counter
	box := openBox(t, path, sqliteinbox.Options{Lease: 100 * time.Millisecond, Policy: inbox.Policy{
		MaxAttempts: 3, Logger: log.Text(), OnDeadLetter: func(_ context.Context, e inbox.Entry) { told.Add(e.Delivery.ID) },
	}})
	many := pings("lost", 130) // more than one operation releases
	storeAtOnce(t, box, many...)
	raw := openRaw(t, path)
	mustExec(t, raw, `UPDATE aihooks_inbox SET state = 1, due_at = 1, owner = randomblob(16), takes = 3, tried = 3, began_at = 1700000000000,
    attempts = '[{"at":"2026-01-01T00:00:00Z","outcome":"lost","counted":false,"took_ms":1}]'`)
	store(t, box, newDelivery(ping, "once more"))
	mustExec(t, raw, `UPDATE aihooks_inbox SET state = 1, due_at = 1, owner = randomblob(16), takes = 2, tried = 2 WHERE delivery_id = 'once more'`)
	hook := handlerWithOutcome(webhook.Handled)
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { s := statsOf(t, box); return s.DeadLettered == len(many) && s.Done == 1 })
	require.Equal(t, []string{"once more"}, hook.calls())
	kit.Eventually(t, func() bool { return len(told.All()) == len(many) })
	for _, e := range listed(t, box, inbox.DeadLettered, all) {
		require.Len(t, e.Attempts, 2)
		a := e.Attempts[1]
		require.Equal(t, inbox.Lost, a.Outcome)
		require.True(t, a.Counted)
		require.Contains(t, a.Error, "process that ran it was lost")
		require.Equal(t, time.UnixMilli(1700000000000).UTC(), a.At)
		require.Equal(t, 1, told.All()[e.Delivery.ID])
	}
}

func TestLease_RenewsDuringLongCallback(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	const lease = 24 * time.Second // a busy machine renews it in time
	first, second := openBox(t, path, sqliteinbox.Options{Lease: lease}), openBox(t, path, sqliteinbox.Options{Lease: lease})
	var calls atomic.Int64
	release := make(chan struct{})
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		calls.Add(1)
		<-release
		return webhook.Result{Outcome: webhook.Handled}
	}})
	store(t, first, pings("", 20)...)
	inboxkit.Run(t, first, hook)
	inboxkit.Run(t, second, hook)
	raw := openRaw(t, path)
	ends := func() (n int64) { // the end of the earliest lease, once all are taken
		if calls.Load() == 20 {
			n = queryValue[int64](t, raw, `SELECT min(due_at) FROM aihooks_inbox`)
		}
		return n
	}
	var taken, renewed int64
	kit.Eventually(t, func() bool { taken = ends(); return taken > 0 })
	kit.Eventually(t, func() bool { renewed = ends(); return renewed > taken })
	kit.Eventually(t, func() bool { return ends() > renewed })
	close(release)
	kit.Eventually(t, func() bool { return statsOf(t, first).Done == 20 })
	require.EqualValues(t, 20, calls.Load())
	for _, e := range listed(t, first, inbox.Done, all) {
		require.Empty(t, e.Attempts, "a success at the first attempt has no history")
	}
}

func TestRun_DeadLettersDamagedRow(t *testing.T) {
	path := pathOf(t)
	var told kit.Counter
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{OnDeadLetter: func(_ context.Context, e inbox.Entry) { told.Add(e.Delivery.ID) }}})
	spoil := map[string]string{
		"no JSON":      `UPDATE aihooks_inbox_body SET meta = '{' WHERE id = ?`,
		"other JSON":   `UPDATE aihooks_inbox_body SET meta = '{"keys": 7}' WHERE id = ?`,
		"missing body": `DELETE FROM aihooks_inbox_body WHERE id = ?`,
	}
	raw := openRaw(t, path)
	store(t, box, newDelivery(ping, "before"))
	for name, statement := range spoil {
		store(t, box, newDelivery(ping, name))
		mustExec(t, raw, statement, queryValue[int](t, raw, `SELECT id FROM aihooks_inbox WHERE delivery_id = ?`, name))
	}
	store(t, box, newDelivery(ping, "history"), newDelivery(ping, "after"))
	mustExec(t, raw, `UPDATE aihooks_inbox SET attempts = 'no JSON' WHERE delivery_id = 'history'`)
	hook := handlerWithOutcome(webhook.Handled)
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 3 && len(told.All()) == len(spoil) })
	require.ElementsMatch(t, []string{"before", "history", "after"}, hook.calls())
	require.Equal(t, len(spoil), statsOf(t, box).DeadLettered)
	for _, e := range listed(t, box, inbox.DeadLettered, all) {
		require.Contains(t, spoil, e.Delivery.ID)
		require.NotEmpty(t, e.LastError())
		require.Equal(t, 1, told.All()[e.Delivery.ID])
		require.Equal(t, webhook.Rejected, e.Attempts[0].Outcome)
	}
}

func TestRun_DoesNotSpinOnShutdown(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	hook := handlerWithOutcome(webhook.Unavailable)
	store(t, box, pings("", 5)...)
	stop := inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return len(hook.calls()) > 0 && statsOf(t, box).Pending == 5 })
	time.Sleep(200 * time.Millisecond) // ten polls
	require.LessOrEqual(t, len(hook.calls()), 5)
	stop()
	for _, e := range listed(t, box, inbox.Pending, all) {
		require.LessOrEqual(t, time.Until(e.Due), time.Duration(0), "the next process runs it at once")
	}
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 5 })
}

func TestRun_LeavesNothingTaken(t *testing.T) {
	var left inbox.Counts
	var err error
	for range 5 { // a Run waits a second for its callbacks and the disk, and a busy machine may take longer
		path := pathOf(t)
		box := openBox(t, path, sqliteinbox.Options{Lease: time.Hour, Policy: inbox.Policy{Concurrency: 3, DrainTimeout: 50 * time.Millisecond}})
		hook := newFakeHandler(callbacks{ping: func(ctx context.Context, _ *webhook.Delivery) webhook.Result {
			<-ctx.Done()
			return webhook.Result{Outcome: webhook.Failed, Err: ctx.Err()}
		}})
		store(t, box, pings("", 10)...)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- box.Run(ctx, hook) }()
		kit.Eventually(t, func() bool { return len(hook.calls()) == 3 })
		cancel()
		err = <-ended
		if left = statsOf(t, box); err == nil && left.Running == 0 {
			require.Zero(t, queryValue[int](t, openRaw(t, path), `SELECT sum(tried) FROM aihooks_inbox`), "a canceled attempt does not count")
			break
		}
	}
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Pending: 10}, left)
}

func TestRun_RefusesInvalidCall(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	hook := handlerWithOutcome(webhook.Handled)
	require.Error(t, box.Run(t.Context()))
	require.Error(t, box.Run(t.Context(), nil))
	require.ErrorContains(t, box.Run(t.Context(), hook, hook), "two handlers")
	require.NoError(t, box.Close())
	require.ErrorIs(t, box.Run(t.Context(), hook), sqliteinbox.ErrClosed)
	_, err := box.Enqueue(t.Context(), newDelivery(ping, "a"))
	require.ErrorIs(t, err, sqliteinbox.ErrClosed)
}

func TestClose_EndsRunAndLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	began, ended := make(chan struct{}), make(chan error, 1)
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		close(began)
		time.Sleep(100 * time.Millisecond)
		return webhook.Result{Outcome: webhook.Handled}
	}})
	go func() { ended <- box.Run(context.Background(), hook) }()
	store(t, box, newDelivery(ping, "a"))
	<-began
	require.NoError(t, box.Close())
	require.NoError(t, <-ended)
	kit.Eventually(t, func() bool { return runtime.NumGoroutine()-1 <= before })
	require.Equal(t, inbox.Counts{Done: 1}, statsOf(t, openBox(t, path, sqliteinbox.Options{})))
}
