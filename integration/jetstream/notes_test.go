package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// A server that was killed may have lost its delivery counts.
func TestAttempts_CountOnceAfterServerLoss(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: policy(5)})
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	before := make([]inbox.Attempt, 3)
	for i := range before {
		before[i] = inbox.Attempt{At: time.Now().Add(-time.Minute), Outcome: webhook.Failed, Error: "before", Counted: true}
	}
	record, err := json.Marshal(map[string]any{"seen": 3, "tried": 3, "attempts": before})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), firstRecordSubject(t, js), record)
	require.NoError(t, err)
	d := newTestHandler(t, box, func(context.Context, string) error { return errors.New("after") })
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
	e := inboxkit.DeadLetters(t, box)[0]
	require.Len(t, e.Attempts, 5)
	require.Equal(t, "before", e.Attempts[2].Error)
	require.Equal(t, "after", e.Attempts[3].Error)
	require.Equal(t, 2, d.Calls.Of("a"))
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 0 })
}

// A message and an attempt record have a maximum size.
func TestAttempts_FitLongHistoryIntoMessage(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxPayload = 1<<20 + 512<<10
	js := dial(t, startServer(t, o).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: policy(31)})
	d := newTestHandler(t, box, func(context.Context, string) error { return errors.New("the last") })
	d.MustRespond(t, 200, inboxkit.MessageBody("a", 1<<20-200))
	before := make([]inbox.Attempt, 30)
	for i := range before {
		before[i] = inbox.Attempt{Outcome: webhook.Failed, Error: strings.Repeat("\x01", engine.MaxError), Counted: true}
	}
	record, err := json.Marshal(map[string]any{"seen": 30, "tried": 30, "attempts": before})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), firstRecordSubject(t, js), record)
	require.NoError(t, err)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
	e := inboxkit.DeadLetters(t, box)[0]
	require.Len(t, e.Attempts, 31)
	require.NotEmpty(t, e.Attempts[0].Error)
	require.Equal(t, "the last", e.LastError())
}

// A server that was killed may also have lost the due time.
func TestRun_WaitsUntilDeliveryIsDue(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	stop := inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool {
		_, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil
	})
	stop()
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	due := time.Now().Add(2 * time.Second)
	record, err := json.Marshal(map[string]any{"seen": 2, "tried": 1, "due": due})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), firstRecordSubject(t, js), record)
	require.NoError(t, err)
	fetchAndNak(t, js)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return d.Calls.Of("a") == 1 })
	require.WithinRange(t, time.Now(), due.Add(-10*time.Millisecond), due.Add(kit.Patience))
	kit.Eventually(t, func() bool { return empty(t, js) })
}

func TestLease_RenewsDuringLongCallback(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	const lease = 12 * time.Second // long enough for a busy machine to renew it
	var handlers []*inboxkit.Handler
	for range 2 { // with separate stores, so that only the lease prevents a second run
		box := open(t, dial(t, url), jetstreaminbox.Options{Lease: lease})
		d := newTestHandler(t, box, func(context.Context, string) error {
			time.Sleep(lease + 2*time.Second)
			return nil
		})
		inboxkit.Run(t, box, d)
		handlers = append(handlers, d)
	}
	js := dial(t, url)
	handlers[0].MustRespond(t, 200, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, handlers[0].Calls.Of("a")+handlers[1].Calls.Of("a"))
}

// A process without a slot may have one delivery more than it runs. It must not keep that for as long as its callbacks
// take.
func TestLease_EndsWithoutASlot(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	const lease = 12 * time.Second // long enough for a busy machine to renew it
	busy := open(t, dial(t, url), jetstreaminbox.Options{Lease: lease, Policy: inbox.Policy{Concurrency: 1}})
	release := make(chan struct{})
	first := newTestHandler(t, busy, func(context.Context, string) error {
		<-release
		return nil
	})
	inboxkit.Run(t, busy, first)
	first.MustRespond(t, 200, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return first.Calls.Of("a") == 1 })
	first.MustRespond(t, 200, inboxkit.MessageBody("b", 1))
	js := dial(t, url)
	kit.Eventually(t, func() bool { // the busy process has both
		c, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil && c.CachedInfo().NumAckPending == 2
	})
	idle := open(t, dial(t, url), jetstreaminbox.Options{Lease: lease})
	second := newTestHandler(t, idle, succeed)
	inboxkit.Run(t, idle, second)
	kit.Eventually(t, func() bool { return second.Calls.Of("b") == 1 })
	require.Zero(t, first.Calls.Of("b")+second.Calls.Of("a"))
	close(release)
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Empty(t, inboxkit.DeadLetters(t, idle))
}

// The client's Fetch drops messages that arrive after it has timed out. They would count as attempts.
func TestRun_KeepsLateMessages(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	var box *jetstreaminbox.Inbox
	kit.Eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box = open(t, js, jetstreaminbox.Options{Policy: policy(1)})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	for _, name := range []string{"a", "b", "c"} {
		d.MustRespond(t, 200, inboxkit.MessageBody("before "+name, 1))
		server.pause(1600 * time.Millisecond) // longer than a request waits
		d.MustRespond(t, 200, inboxkit.MessageBody(name, 1))
	}
	for _, name := range []string{"a", "b", "c", "before a", "before b", "before c"} {
		kit.Eventually(t, func() bool { return d.Calls.Of(name) == 1 }, name)
	}
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Empty(t, inboxkit.DeadLetters(t, box))
}
