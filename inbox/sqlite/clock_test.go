package sqliteinbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// setClock sets the clock from the inbox's point of view: it moves all times in its file the other way.
func setClock(t *testing.T, path string, by time.Duration) {
	t.Helper()
	raw := openRaw(t, path)
	ms := by.Milliseconds()
	mustExec(t, raw, `UPDATE aihooks_inbox_clock SET seen = seen - ?1, purged = purged - ?1`, ms)
	mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = due_at - ?1, began_at = began_at - ?1`, ms)
	mustExec(t, raw, `UPDATE aihooks_idempotency SET lease_until = lease_until - ?1, expires_at = expires_at - ?1`, ms)
}

const month = 30 * 24 * time.Hour

func TestClock_SetBackRunsWhatIsDue(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]time.Duration{"a month": month, "an hour": time.Hour, "a minute": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			log := new(logtest.LogBuffer)
			box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
			box.StopPurging()
			box.PurgeOnce(t.Context())
			store(t, box, newDelivery(ping, "due"), newDelivery(ping, "retried tomorrow"), newDelivery(ping, "lost"), newDelivery(ping, "dead"))
			raw := openRaw(t, path)
			tomorrow := time.Now().Add(24 * time.Hour)
			mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = ? WHERE delivery_id = 'retried tomorrow'`, tomorrow.UnixMilli())
			mustExec(t, raw, `UPDATE aihooks_inbox SET state = 1, owner = randomblob(16), due_at = due_at + 500 WHERE delivery_id = 'lost'`)
			mustExec(t, raw, `UPDATE aihooks_inbox SET state = 3 WHERE delivery_id = 'dead'`)
			// The file has the newest time: it may be older, and then the set-back is underestimated.
			mustExec(t, raw, `UPDATE aihooks_inbox_clock SET seen = ?`, time.Now().UnixMilli())
			setClock(t, path, -back)
			stats, err := box.Stats(t.Context())
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), stats.Oldest, kit.Patience, "it is due although its stored time is in the future")
			hook := handlerWithOutcome(webhook.Handled)
			inboxkit.Run(t, box, hook)
			box.PurgeOnce(t.Context())
			require.Equal(t, 1, log.Count("level=WARN", "clock was set back", "back="), log)
			kit.Eventually(t, func() bool {
				require.NoError(t, box.ReleaseLost(t.Context()))
				return len(hook.calls()) == 2
			})
			require.ElementsMatch(t, []string{"due", "lost"}, hook.calls())
			e := listed(t, box, inbox.Pending, all)
			require.Len(t, e, 1)
			require.WithinDuration(t, tomorrow, e[0].Due, kit.Patience, "the remaining backoff is unchanged")
			n, err := box.Retry(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, 1, n, "the dead letter has a time in the future")
			box.PurgeOnce(t.Context())
			require.Equal(t, 1, log.Count("clock was set back"), "once")
		})
	}
}

// A process that crashed while it ran a delivery has also left a lease in the idempotency store.
func TestClock_SetBackFreesClaims(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	box.StopPurging()
	box.PurgeOnce(t.Context())
	_, err := box.Store().Claim(t.Context(), "key", idempotency.NewToken(), time.Second)
	require.NoError(t, err)
	setClock(t, path, -month)
	box.PurgeOnce(t.Context())
	kit.Eventually(t, func() bool {
		claim, err := box.Store().Claim(t.Context(), "key", idempotency.NewToken(), time.Second)
		require.NoError(t, err)
		return claim.State == idempotency.Acquired
	})
}

func TestClock_AheadPurgesNothingAtOnce(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		path := pathOf(t)
		log := new(logtest.LogBuffer)
		o := sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}}
		box := openBox(t, path, o)
		box.StopPurging()
		store(t, box, newDelivery(ping, "dead"), newDelivery(ping, "done"), newDelivery(pong, "waiting"))
		hook := newFakeHandler(callbacks{ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
			if d.ID == "dead" {
				return webhook.Result{Outcome: webhook.DeadLettered}
			}
			return webhook.Result{Outcome: webhook.Handled}
		}})
		stop := inboxkit.Run(t, box, hook)
		want := inbox.Counts{DeadLettered: 1, Done: 1, Deferred: 1}
		kit.Eventually(t, func() bool { return statsOf(t, box) == want })
		stop()
		box.PurgeOnce(t.Context())
		setClock(t, path, month+time.Hour)
		if restarted {
			require.NoError(t, box.Close())
			box = openBox(t, path, o)
			box.StopPurging()
		}
		for range 3 {
			box.PurgeOnce(t.Context())
		}
		require.Equal(t, want, statsOf(t, box))
		kept, err := box.Entry(t.Context(), listed(t, box, inbox.Done, all)[0].ID)
		require.NoError(t, err)
		require.Equal(t, newDelivery(ping, "done").Body, kept.Delivery.Body, "nor bodies")
		require.Equal(t, 1, log.Count("level=WARN", "clock is far ahead", "ahead=72"), log)
		duplicate, err := box.Enqueue(t.Context(), newDelivery(ping, "done"))
		require.NoError(t, err)
		require.True(t, duplicate, "its key is stored")

		// The clock was right, and the service was down. After it has run for some time, everything old is purged.
		mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox_clock SET purged = ?`, time.Now().Add(-time.Minute).UnixMilli())
		box.PurgeOnce(t.Context())
		require.Zero(t, statsOf(t, box).DeadLettered)

		// With the clock corrected, it purges as early as otherwise.
		setClock(t, path, -month)
		box.PurgeOnce(t.Context())
		require.LessOrEqual(t, queryValue[int64](t, openRaw(t, path), `SELECT purged FROM aihooks_inbox_clock`), time.Now().UnixMilli())
	}
}

func TestClock_PurgingCatchesUp(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	box.StopPurging()
	box.PurgeOnce(t.Context())
	setClock(t, path, month)
	purged := func() int64 {
		box.PurgeOnce(t.Context())
		return queryValue[int64](t, openRaw(t, path), `SELECT purged FROM aihooks_inbox_clock`)
	}
	began := time.Now()
	first := purged()
	time.Sleep(50 * time.Millisecond) // the test measures how fast the purge time moves
	moved := time.Duration(purged()-first) * time.Millisecond
	require.GreaterOrEqual(t, moved, 4*40*time.Millisecond)
	require.LessOrEqual(t, moved, 4*(time.Since(began)+time.Millisecond))
}
