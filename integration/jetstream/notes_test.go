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
	"github.com/aihooks/aihooks-go/webhook"
)

// Trap: a server that was killed may have forgotten how often it had given a message away.
func TestAttemptsAreKeptAndCountedOnceThoughTheServerHasForgottenThem(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: policy(5)})
	_, err := box.Enqueue(t.Context(), parcel("a"))
	require.NoError(t, err)
	before := make([]inbox.Attempt, 3)
	for i := range before {
		before[i] = inbox.Attempt{At: time.Now().Add(-time.Minute), Outcome: webhook.Failed, Error: "before", Counted: true}
	}
	note, err := json.Marshal(map[string]any{"seen": 3, "tried": 3, "attempts": before})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), noteOfFirst(t, js), note)
	require.NoError(t, err)
	d := newDesk(t, box, func(context.Context, string) error { return errors.New("after") })
	run(t, box, d)
	soon(t, func() bool { return len(dead(t, box)) == 1 })
	e := dead(t, box)[0]
	require.Len(t, e.Attempts, 5)
	require.Equal(t, "before", e.Attempts[2].Error)
	require.Equal(t, "after", e.Attempts[3].Error)
	require.Equal(t, 2, d.calls.of("a"))
	soon(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_ASIDE") == 0 })
}

// Trap: a message has an end, and a note has one as well.
func TestALongStoryOfLongErrorsFitsIntoAMessage(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxPayload = 1<<20 + 512<<10
	js := dial(t, startServer(t, o).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: policy(31)})
	d := newDesk(t, box, func(context.Context, string) error { return errors.New("the last") })
	d.is(t, 200, letter("a", 1<<20-200))
	before := make([]inbox.Attempt, 30)
	for i := range before {
		before[i] = inbox.Attempt{Outcome: webhook.Failed, Error: strings.Repeat("\x01", engine.MaxError), Counted: true}
	}
	note, err := json.Marshal(map[string]any{"seen": 30, "tried": 30, "attempts": before})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), noteOfFirst(t, js), note)
	require.NoError(t, err)
	run(t, box, d)
	soon(t, func() bool { return len(dead(t, box)) == 1 })
	e := dead(t, box)[0]
	require.Len(t, e.Attempts, 31)
	require.NotEmpty(t, e.Attempts[0].Error)
	require.Equal(t, "the last", e.LastError())
}

// The same: it has forgotten when the delivery is due as well.
func TestADeliveryIsNotRunBeforeItIsDueThoughTheServerGivesItAway(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Lease: time.Second})
	d := newDesk(t, box, succeed)
	stop := run(t, box, d)
	soon(t, func() bool {
		_, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil
	})
	stop()
	_, err := box.Enqueue(t.Context(), parcel("a"))
	require.NoError(t, err)
	due := time.Now().Add(2 * time.Second)
	note, err := json.Marshal(map[string]any{"seen": 2, "tried": 1, "due": due})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), noteOfFirst(t, js), note)
	require.NoError(t, err)
	takeAndDie(t, js)
	run(t, box, d)
	soon(t, func() bool { return d.calls.of("a") == 1 })
	require.WithinRange(t, time.Now(), due.Add(-10*time.Millisecond), due.Add(patience))
	soon(t, func() bool { return empty(t, js) })
}

func TestACallbackThatTakesLongerThanALeaseKeepsItsDelivery(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	const lease = 12 * time.Second // a machine that is busy renews it in time
	var desks []*desk
	for range 2 { // with stores of their own, so that nothing but the lease keeps them apart
		box := open(t, dial(t, url), jetstreaminbox.Options{Lease: lease})
		d := newDesk(t, box, func(context.Context, string) error {
			time.Sleep(lease + 2*time.Second)
			return nil
		})
		run(t, box, d)
		desks = append(desks, d)
	}
	js := dial(t, url)
	desks[0].is(t, 200, letter("a", 1))
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, desks[0].calls.of("a")+desks[1].calls.of("a"))
}

// The client drops messages that come after it has given up waiting for them, and they would count as attempts.
func TestMessagesThatComeLateAreNotLost(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	var box *jetstreaminbox.Inbox
	soon(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box = open(t, js, jetstreaminbox.Options{Policy: policy(1)})
	d := newDesk(t, box, succeed)
	run(t, box, d)
	for _, name := range []string{"a", "b", "c"} {
		d.is(t, 200, letter("before "+name, 1))
		server.pause(1600 * time.Millisecond) // longer than a request waits
		d.is(t, 200, letter(name, 1))
	}
	for _, name := range []string{"a", "b", "c", "before a", "before b", "before c"} {
		soon(t, func() bool { return d.calls.of(name) == 1 }, name)
	}
	soon(t, func() bool { return empty(t, js) })
	require.Empty(t, dead(t, box))
}
