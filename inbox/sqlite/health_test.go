package sqliteinbox_test

import (
	"context"
	"net/http"
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

// A failing Run cannot take deliveries, or cannot record their results, although new ones can be stored.
var failingRuns = map[string]struct {
	trigger string // makes the Run fail
	calls   bool   // callbacks run before it fails
}{
	"takes":          {`BEFORE UPDATE OF state ON aihooks_inbox`, false},
	"takes of state": {`BEFORE UPDATE ON aihooks_inbox WHEN NEW.state = 1`, false},
	"results":        {`BEFORE UPDATE ON aihooks_inbox WHEN NEW.state = 4`, true},
}

func TestRun_ThatFailsForLongRefusesDeliveries(t *testing.T) {
	t.Parallel()
	for name, c := range failingRuns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			log := new(logtest.LogBuffer)
			box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text(), Limits: map[string]int{"workflux": 1}}})
			box.RefuseAfter(300 * time.Millisecond)
			harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
			var calls atomic.Int64
			harness.OnMessage(func(context.Context, string) error { calls.Add(1); return nil })
			raw := openRaw(t, path)
			mustExec(t, raw, `CREATE TRIGGER fails `+c.trigger+` BEGIN SELECT RAISE(ABORT, 'on purpose'); END`)
			harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("first", 10))
			harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("second", 10))
			inboxkit.Run(t, box, harness)
			refused := inboxkit.MessageBody("refused", 10)
			kit.Eventually(t, func() bool {
				refused = inboxkit.MessageBody("refused", 10)
				return harness.Post(refused).Status == http.StatusServiceUnavailable &&
					harness.Log.Count("level=ERROR", "could not be run for", "on purpose") > 0
			}, harness.Log)
			require.Equal(t, webhook.ReasonInbox, harness.Last().Reason)
			require.Equal(t, c.calls, calls.Load() > 0)
			time.Sleep(500 * time.Millisecond) // many polls
			require.Equal(t, 1, log.Count("level=ERROR", "stored deliveries cannot be run", "on purpose", path), log)
			require.LessOrEqual(t, log.Count("level=ERROR"), 2, log)
			require.Zero(t, log.Count("answered 503"), log)

			mustExec(t, raw, `DROP TRIGGER fails`)
			kit.Eventually(t, func() bool { return harness.Post(refused).Status == http.StatusOK }, harness.Log)
			kit.Eventually(t, func() bool { s := statsOf(t, box); return s.Pending+s.Running == 0 }, log)
			require.Equal(t, 1, log.Count("level=INFO", "stored deliveries are run again", path), log)
			require.LessOrEqual(t, log.Count("level=ERROR"), 2, log)
		})
	}
}

func TestRun_ThatCannotLookRefusesDeliveries(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	box.RefuseAfter(100 * time.Millisecond)
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	store(t, box, newDelivery(ping, "before"))
	require.NoError(t, box.Handles()[1].Close()) // except the connection in use
	kit.Eventually(t, func() bool { _, err := box.Enqueue(t.Context(), newDelivery(ping, "a")); return err != nil }, log)
	require.Equal(t, 1, log.Count("level=ERROR", "stored deliveries cannot be run", "find due deliveries"), log)
}

// A process that only receives has no Run. After its Run has ended, no Run fails.
func TestInbox_WithoutARunStoresDeliveries(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	box.RefuseAfter(time.Millisecond)
	mustExec(t, openRaw(t, path), `CREATE TRIGGER fails BEFORE UPDATE ON aihooks_inbox BEGIN SELECT RAISE(ABORT, 'on purpose'); END`)
	store(t, box, newDelivery(ping, "a"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { _, err := box.Enqueue(t.Context(), newDelivery(ping, "b")); return err != nil }, log)
	stop()
	store(t, box, newDelivery(ping, "c"))
}

// A removed handler leaves no activity that could fail.
func TestRun_ForgetsFailuresOfRemovedHandlers(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	box.RefuseAfter(time.Millisecond)
	mustExec(t, openRaw(t, path), `CREATE TRIGGER fails BEFORE UPDATE ON aihooks_inbox BEGIN SELECT RAISE(ABORT, 'on purpose'); END`)
	store(t, box, newDelivery(ping, "a"))
	hook, other := handlerWithOutcome(webhook.Handled), handlerWithOutcome(webhook.Handled)
	other.endpoint = "other"
	inboxkit.Run(t, box, hook, other)
	kit.Eventually(t, func() bool { _, err := box.Enqueue(t.Context(), newDelivery(ping, "b")); return err != nil })
	box.Remove(hook)
	storeSoon(t, box, newDelivery(ping, "c"))
}
