package sqliteinbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestMaxPending_Responds503UntilCapacityReturns(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{MaxPending: 3})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	harness.OnMessage(func(ctx context.Context, _ string) error { return nil })
	first := inboxkit.MessageBody("first", 10)
	harness.MustRespond(t, http.StatusOK, first)
	harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("second", 10))
	harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("third", 10))
	refused := inboxkit.MessageBody("fourth", 10)
	answer := harness.Post(refused)
	require.Equal(t, http.StatusServiceUnavailable, answer.Status)
	require.NotEmpty(t, answer.Header.Get("Retry-After"))
	require.Equal(t, webhook.ReasonInboxFull, harness.Last().Reason)
	require.Equal(t, 1, harness.Log.Count("3 deliveries are pending or running", "MaxPending is 3"), harness.Log)
	harness.MustRespond(t, http.StatusOK, first)
	require.Equal(t, webhook.ReasonStoredBefore, harness.Last().Reason, "it is stored, so the vendor need not send it again")
	harness.MustRespond(t, http.StatusServiceUnavailable, refused)
	stop := inboxkit.Run(t, box, harness)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 3 })
	stop()
	require.Equal(t, inbox.Counts{Done: 3}, statsOf(t, box), "the refused delivery was not stored")
	harness.MustRespond(t, http.StatusOK, refused)
	require.Equal(t, inbox.Counts{Done: 3, Pending: 1}, statsOf(t, box))
}

func TestMaxPending_ExcludesDeadLettersAndDeferred(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{MaxPending: 2, Policy: inbox.Policy{MaxAttempts: 1}})
	release := make(chan struct{})
	hook := newFakeHandler(callbacks{ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
		<-release
		return webhook.Result{Outcome: webhook.Failed, Err: errors.New("on purpose")}
	}})
	full := func() {
		t.Helper()
		_, err := box.Enqueue(t.Context(), newDelivery(ping, "one too many"))
		require.ErrorIs(t, err, webhook.ErrInboxFull)
	}
	store(t, box, newDelivery(ping, "a"), newDelivery(ping, "b"))
	full()
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return statsOf(t, box).Running == 2 })
	full()
	close(release)
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 2 })
	for i := range 5 { // deferred deliveries refuse no other types
		storeSoon(t, box, newDelivery(fmt.Sprint(pong, i), fmt.Sprint("waits ", i)))
		kit.Eventually(t, func() bool { return statsOf(t, box).Deferred == i+1 })
	}
	n, err := box.Retry(t.Context(), all) // retried dead letters count again
	require.NoError(t, err)
	require.Equal(t, 2, n)
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 2 })
	storeSoon(t, box, newDelivery(ping, "c"))
	storeSoon(t, box, newDelivery(ping, "d"))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 4 })
}

func TestMaxPending_BoundsDeliveriesWithoutCallback(t *testing.T) {
	path := pathOf(t)
	options := sqliteinbox.Options{MaxPending: 3}
	box := openBox(t, path, options)
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		return webhook.Result{Outcome: webhook.Handled}
	}})
	stop := inboxkit.Run(t, box, hook)
	for i := range 3 {
		store(t, box, newDelivery(pong, fmt.Sprint("waits ", i)))
		kit.Eventually(t, func() bool { return statsOf(t, box).Deferred == i+1 })
	}
	stop()
	require.NoError(t, box.Close())

	box = openBox(t, path, options) // counts them at the first delivery
	inboxkit.Run(t, box, hook)
	_, err := box.Enqueue(t.Context(), newDelivery(pong, "one too many"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
	require.ErrorContains(t, err, "3 deliveries are deferred")
	duplicate, err := box.Enqueue(t.Context(), newDelivery(pong, "waits 1"))
	require.NoError(t, err)
	require.True(t, duplicate, "it is stored, so the vendor need not send it again")
	for i := range 5 {
		store(t, box, newDelivery(ping, fmt.Sprint("runs ", i)))
		kit.Eventually(t, func() bool { return statsOf(t, box).Done == i+1 })
	}

	n, err := box.Discard(t.Context(), inbox.Filter{State: inbox.Deferred, Type: pong})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	store(t, box, newDelivery(pong, "has space again"))
}

func TestMaxPending_CountsRetriedDeadLetters(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{MaxPending: 2})
	store(t, box, newDelivery(ping, "a"), newDelivery(ping, "b"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.DeadLettered))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 2 })
	stop()
	_, err := box.Retry(t.Context(), all)
	require.NoError(t, err)
	_, err = box.Enqueue(t.Context(), newDelivery(ping, "c"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
}

func TestMaxPending_FindsCapacityFreedByOtherProcess(t *testing.T) {
	path := pathOf(t)
	full := openBox(t, path, sqliteinbox.Options{MaxPending: 2})
	other := openBox(t, path, sqliteinbox.Options{})
	store(t, full, newDelivery(ping, "a"), newDelivery(ping, "b"))
	_, err := full.Enqueue(t.Context(), newDelivery(ping, "c"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
	inboxkit.Run(t, other, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, other).Done == 2 })
	full.StopPurging() // purging would count again later
	storeSoon(t, full, newDelivery(ping, "c"))
}

func TestMaxPending_CountsOtherProcessesDeliveries(t *testing.T) {
	path := pathOf(t)
	store(t, openBox(t, path, sqliteinbox.Options{}), newDelivery(ping, "a"), newDelivery(ping, "b"))
	late := openBox(t, path, sqliteinbox.Options{MaxPending: 2})
	_, err := late.Enqueue(t.Context(), newDelivery(ping, "c"))
	require.ErrorIs(t, err, webhook.ErrInboxFull, "Open counts the stored deliveries")
}

func TestMaxPending_CountsOnlyPendingAndRunning(t *testing.T) {
	path := pathOf(t)
	first := openBox(t, path, forever)
	for code := range 6 {
		store(t, first, newDelivery(ping, fmt.Sprint(code)))
		mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = ?1, due_at = ?2 WHERE delivery_id = ?1`, code, time.Now().Add(time.Hour).UnixMilli())
	}
	options := forever
	options.MaxPending = 3
	box := openBox(t, path, options)
	store(t, box, newDelivery(ping, "the third"))
	_, err := box.Enqueue(t.Context(), newDelivery(ping, "the fourth"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
}

func TestMaxPending_IsExactUnderConcurrency(t *testing.T) {
	const limit, senders = 50, 32
	box := openBox(t, pathOf(t), sqliteinbox.Options{MaxPending: limit})
	var sending sync.WaitGroup
	var taken, refused atomic.Int64
	for i := range senders {
		sending.Go(func() {
			for j := range 10 {
				_, err := box.Enqueue(t.Context(), newDelivery(ping, fmt.Sprintf("%d-%d", i, j)))
				switch {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, webhook.ErrInboxFull):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	require.EqualValues(t, taken.Load(), statsOf(t, box).Pending)
	require.EqualValues(t, 10*senders, taken.Load()+refused.Load())
	require.GreaterOrEqual(t, taken.Load(), int64(limit))
	require.Less(t, taken.Load(), int64(limit+senders), "at most the concurrent ones")
}

func TestMaxPending_StaysExactThroughAllOutcomes(t *testing.T) {
	t.Parallel()
	const limit = 15
	box := openBox(t, pathOf(t), sqliteinbox.Options{MaxPending: limit, Policy: inbox.Policy{MaxAttempts: 2}})
	box.StopPurging() // purging counts again, which would hide a wrong count, and is wrong while others write
	outcomes := []webhook.Outcome{webhook.Handled, webhook.Failed, webhook.DeadLettered, webhook.InFlight, webhook.Ignored}
	var turn atomic.Int64
	hook := newFakeHandler(callbacks{ping: func(context.Context, *webhook.Delivery) webhook.Result {
		return webhook.Result{Outcome: outcomes[int(turn.Add(1))%len(outcomes)]}
	}})
	for round := range 3 {
		stop := inboxkit.Run(t, box, hook)
		store(t, box, pings(fmt.Sprint("round ", round), limit)...)
		kit.Eventually(t, func() bool { s := statsOf(t, box); return s.Pending+s.Running == 0 })
		_, err := box.Retry(t.Context(), all)
		require.NoError(t, err)
		kit.Eventually(t, func() bool { s := statsOf(t, box); return s.Pending+s.Running == 0 })
		_, err = box.Discard(t.Context(), all)
		require.NoError(t, err)
		stop()
	}
	store(t, box, pings("in the end", limit)...)
	_, err := box.Enqueue(t.Context(), newDelivery(ping, "one too many"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
}
