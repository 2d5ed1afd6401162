package sqliteinbox_test

import (
	"context"
	"fmt"
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

// boxWithDeadLetters returns an inbox with n dead letters.
func boxWithDeadLetters(t *testing.T, n int) (box *sqliteinbox.Inbox, path string) {
	t.Helper()
	path = pathOf(t)
	box = openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 1}})
	storeAtOnce(t, box, pings("", n)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3, tried = 1, due_at = due_at - id % 7`)
	return box, path
}

func TestRetry_EndsThoughCallbacksFailAgain(t *testing.T) {
	t.Parallel()
	const n = 210 // more than one operation changes at once
	verbs := func(box *sqliteinbox.Inbox) map[string]func(context.Context, inbox.Filter) (int, error) {
		return map[string]func(context.Context, inbox.Filter) (int, error){"Retry": box.Retry, "Rerun": box.Rerun}
	}
	for name := range verbs(nil) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, path := boxWithDeadLetters(t, n+1)
			// Entry 7 became a dead letter again later.
			mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET due_at = ? WHERE id = 7`, time.Now().Add(time.Minute).UnixMilli())
			hook := handlerWithOutcome(webhook.DeadLettered)
			inboxkit.Run(t, box, hook)
			ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
			defer cancel()
			done, err := verbs(box)[name](ctx, all)
			require.NoError(t, err)
			require.Equal(t, n, done, "each once")
			kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == n+1 })
			require.Len(t, hook.calls(), n)
		})
	}
}

func TestDiscard_TakesAllInSteps(t *testing.T) {
	t.Parallel()
	const n = 410
	box, path := boxWithDeadLetters(t, n)
	done, err := box.Discard(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, n, done)
	require.Equal(t, inbox.Counts{Done: n}, statsOf(t, box))
	require.Zero(t, queryValue[int](t, openRaw(t, path), `SELECT count(*) FROM aihooks_inbox_body`))
	done, err = box.Discard(t.Context(), all)
	require.NoError(t, err)
	require.Zero(t, done)
}

func TestRetry_TakesDeadLettersOnly(t *testing.T) {
	box := boxWithEntries(t, 3)
	for i, f := range []func(context.Context, inbox.Filter) (int, error){box.Retry, box.Rerun, box.Discard} {
		for _, state := range []inbox.State{inbox.Pending, inbox.Running, inbox.Deferred, inbox.Done} {
			for _, e := range listed(t, box, state, all) {
				if i == 1 && state == inbox.Done {
					continue // Rerun accepts done entries by ID
				}
				n, err := f(t.Context(), inbox.Filter{ID: e.ID})
				require.ErrorIs(t, err, inbox.ErrNotFound, "%d %s", i, state)
				require.Zero(t, n)
			}
		}
		_, err := f(t.Context(), inbox.Filter{})
		require.ErrorIs(t, err, inbox.ErrEmptyFilter)
	}
	before := statsOf(t, box)
	n, err := box.Discard(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	after := statsOf(t, box)
	require.Equal(t, before.Done+3, after.Done)
	require.Equal(t, before.Pending+before.Running+before.Deferred, after.Pending+after.Running+after.Deferred)
}

func TestRerun_UsesNewKeyForDoneEntry(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	var keys []string
	var calls atomic.Int64
	hook := newFakeHandler(callbacks{ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
		keys = append(keys, d.Keys...)
		calls.Add(1)
		return webhook.Result{Outcome: webhook.Handled}
	}})
	store(t, box, newDelivery(ping, "a"))
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
	id := listed(t, box, inbox.Done, all)[0].ID
	for i := range 2 {
		n, err := box.Rerun(t.Context(), inbox.Filter{ID: id})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		kit.Eventually(t, func() bool { return calls.Load() == int64(i+2) && statsOf(t, box).Done == 1 })
	}
	require.Equal(t, []string{"acme/default/a", "acme/default/a#1", "acme/default/a#2"}, keys)
	e, err := box.Entry(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"acme/default/a#2"}, e.Delivery.Keys)
	n, err := box.Rerun(t.Context(), all)
	require.NoError(t, err)
	require.Zero(t, n, "only an ID selects done entries")
	duplicate, err := box.Enqueue(t.Context(), newDelivery(ping, "a"))
	require.NoError(t, err)
	require.True(t, duplicate, "the same delivery, sent again")
}

func TestRetry_ReportsPurgedBody(t *testing.T) {
	box, path := boxWithDeadLetters(t, 2)
	mustExec(t, openRaw(t, path), `DELETE FROM aihooks_inbox_body WHERE id = 1`)
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	n, err := box.Retry(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	kit.Eventually(t, func() bool { s := statsOf(t, box); return s.DeadLettered == 1 && s.Done == 1 })
	e, err := box.Entry(t.Context(), "1")
	require.NoError(t, err)
	require.Contains(t, e.LastError(), inbox.ErrPurged.Error())
	_, err = box.Discard(t.Context(), inbox.Filter{ID: "2"})
	require.ErrorIs(t, err, inbox.ErrNotFound)
	_, err = box.Discard(t.Context(), inbox.Filter{ID: "1"})
	require.NoError(t, err)
	_, err = box.Rerun(t.Context(), inbox.Filter{ID: "1"})
	require.ErrorIs(t, err, inbox.ErrPurged)
}

func TestRetry_KeepsHistoryAndResetsAttempts(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 3}})
	store(t, box, newDelivery(ping, "a"))
	hook := handlerWithOutcome(webhook.Failed)
	inboxkit.Run(t, box, hook)
	for round := 1; round <= 2; round++ {
		kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
		require.Len(t, hook.calls(), 3*round)
		require.Len(t, listed(t, box, inbox.DeadLettered, all)[0].Attempts, 3*round)
		n, err := box.Retry(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 && len(hook.calls()) == 9 })
}

func TestOnDead_ReportsEachDeadLetterOnce(t *testing.T) {
	var alerts kit.Counter
	log := new(logtest.LogBuffer)
	box := openBox(t, pathOf(t), sqliteinbox.Options{Policy: inbox.Policy{
		MaxAttempts: 2, Logger: log.Text(), OnDeadLetter: func(_ context.Context, e inbox.Entry) {
			alerts.Add(fmt.Sprintf("%s %s %s %d %t", e.ID, e.State, e.Delivery.ID, len(e.Attempts), e.Since.IsZero()))
		},
	}})
	store(t, box, newDelivery(ping, "a"), newDelivery(ping, "b"))
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
	kit.Eventually(t, func() bool { return len(alerts.All()) == 2 })
	require.Equal(t, map[string]int{"1 dead_lettered a 2 false": 1, "2 dead_lettered b 2 false": 1}, alerts.All())
	require.Equal(t, 2, log.Count("level=ERROR", "dead letter", "attempts=2", "on purpose: failed"))
}

func TestRequeue_KeepsSuspects(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	db := openRaw(t, path)
	store(t, box, pings("", 1)...)
	for history, suspect := range map[string]bool{
		`[{"outcome":"lost"}]`:                                           true,
		`[{"outcome":"lost"},{"outcome":"paused"}]`:                      true,
		`[{"outcome":"lost"},{"outcome":"failed"},{"outcome":"paused"}]`: false,
		`[{"outcome":"failed"}]`:                                         false,
		`[{"outcome":"paused"}]`:                                         false,
		`[]`:                                                             false,
		`damaged`:                                                        false,
	} {
		for _, f := range []inbox.Filter{{All: true}, {All: true, State: inbox.Deferred}} {
			mustExec(t, db, `UPDATE aihooks_inbox SET state = ?, attempts = ?, due_at = 0`, map[inbox.State]int{"": 3, inbox.Deferred: 2}[f.State], history)
			n, err := box.Retry(t.Context(), f)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, map[bool]int{true: 6, false: 0}[suspect], queryValue[int](t, db, `SELECT state FROM aihooks_inbox`), history)
		}
	}
}

// Nanoseconds since 1970 end in the year 2262.
func TestFilter_TakesDistantTimes(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 3)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3, due_at = 0`)
	for _, year := range []int{1, 1600, 2300, 2600, 9999} {
		at := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		for _, f := range []inbox.Filter{{From: at}, {Until: at}} {
			want := (year < 2000) == !f.From.IsZero()
			listed, err := inbox.Count(t.Context(), box, f)
			require.NoError(t, err)
			changed, err := box.Rerun(t.Context(), f)
			require.NoError(t, err)
			n := map[bool]int{true: 3, false: 0}[want]
			require.Equal(t, []int{n, n}, []int{listed, changed}, "%+v", f)
			mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3, due_at = 0`)
		}
	}
}
