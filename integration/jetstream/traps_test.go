package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func policy(attempts int) inbox.Policy { return inbox.Policy{MaxAttempts: attempts} }

func permanent(context.Context, string) error { return webhook.Permanent(errors.New("on purpose")) }

// JetStream recognizes a duplicate only within its window.
func TestStore_PreventsRepeatAfterWindow(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Window: 100 * time.Millisecond})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("a") == 1 })
	_, err := box.Enqueue(t.Context(), newDelivery("window"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool { // until the window has ended
		duplicate, err := box.Enqueue(t.Context(), newDelivery("window"))
		require.NoError(t, err)
		return !duplicate
	})
	before := last(t, js)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("b", 1))
	require.Equal(t, before+2, last(t, js), "JetStream must store it again")
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("a"))
	require.Equal(t, 1, d.Calls.Of("b"))
}

// The window forgets completed deliveries when the server restarts.
func TestStore_PreventsRepeatAfterServerRestart(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	stop := inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return empty(t, js) })
	stop()
	stopServer(s)
	startServer(t, o)
	inboxkit.Run(t, box, d)
	retryUntilAccepted(t, d, inboxkit.MessageBody("a", 1))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("b", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("b") == 1 && empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("a"))
}

// Deliveries that wait for their next attempt are pending acknowledgements. A consumer allows 1000 of them by default.
func TestBackoff_DoesNotDelayOtherDeliveries(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	p := inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }}
	box := open(t, js, jetstreaminbox.Options{Policy: p})
	d := newTestHandler(t, box, func(_ context.Context, name string) error {
		if strings.HasPrefix(name, "rests") {
			return errors.New("on purpose")
		}
		return nil
	})
	inboxkit.Run(t, box, d)
	const resting = 1100
	var senders sync.WaitGroup
	for n := range 10 {
		senders.Go(func() {
			for i := range resting / 10 {
				_, err := box.Enqueue(context.Background(), newDelivery(fmt.Sprint("rests ", n, " ", i)))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	for called := 0; called < resting; called = d.Calls.Total() { // all of them may take longer than kit.Patience on a busy machine
		kit.Eventually(t, func() bool { return d.Calls.Total() > called })
	}
	require.Equal(t, resting, d.Calls.Total())
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("runs") == 1 })
}

// JetStream takes 64 KiB of headers.
func TestEnqueue_AcceptsLongID(t *testing.T) {
	t.Parallel()
	box := open(t, dial(t, newServer(t).ClientURL()), jetstreaminbox.Options{})
	long := newDelivery(strings.Repeat("x", 100<<10))
	_, err := box.Enqueue(t.Context(), long)
	require.NoError(t, err)
	d := newTestHandler(t, box, permanent)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
	e := inboxkit.DeadLetters(t, box)[0]
	require.Equal(t, long.ID, e.Delivery.ID)
	require.Equal(t, long.Body, e.Delivery.Body)
}

// JetStream has no dead letters. A process may crash after it has stored a dead letter, and before it acknowledges the
// delivery.
func TestDeadLetter_IsNotRunAfterCrash(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	var alerts kit.Counter
	p := inbox.Policy{OnDeadLetter: func(_ context.Context, e inbox.Entry) { alerts.Add(e.ID) }}
	box := open(t, js, jetstreaminbox.Options{Policy: p})
	d := newTestHandler(t, box, permanent)
	stop := inboxkit.Run(t, box, d)
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
	stop()
	id := inboxkit.DeadLetters(t, box)[0].ID
	// The state after such a crash: fetched once, stored as a dead letter, and not acknowledged.
	stream, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEADLETTERS")
	require.NoError(t, err)
	raw, err := stream.GetMsg(t.Context(), stream.CachedInfo().State.FirstSeq)
	require.NoError(t, err)
	ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "AIHOOKS.in.workflux.default", Data: newDelivery("a").Body,
		Header: nats.Header{"Aihooks-Delivery": raw.Header["Aihooks-Delivery"]}})
	require.NoError(t, err)
	require.Equal(t, last(t, js), ack.Sequence)
	position := strings.TrimPrefix(firstRecordSubject(t, js), "AIHOOKS.attempts.")
	state := regexp.MustCompile(`"from":"[^"]*"`).ReplaceAllString(raw.Header.Get("Aihooks-State"), `"from":"`+position+`"`)
	require.Contains(t, state, position)
	_, err = js.PublishMsg(t.Context(), &nats.Msg{Subject: raw.Subject, Data: raw.Data, Header: nats.Header{
		"Aihooks-Delivery": raw.Header["Aihooks-Delivery"], "Aihooks-State": {state},
	}})
	require.NoError(t, err)
	c, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
	require.NoError(t, err)
	m, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, m.Nak())
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("a"))
	require.Len(t, inboxkit.DeadLetters(t, box), 1)
	kit.Eventually(t, func() bool { return alerts.Of(id) == 2 })
}

// The same delivery may have been a dead letter before. That dead letter is not the outcome of this delivery.
func TestDeadLetter_DoesNotStopLaterDelivery(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Window: 100 * time.Millisecond})
	stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
	enqueueAgain := func() {
		kit.Eventually(t, func() bool {
			duplicate, err := box.Enqueue(t.Context(), newDelivery("a"))
			require.NoError(t, err)
			return !duplicate
		})
	}
	enqueueAgain()
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
	stop()
	enqueueAgain()
	fetchAndNak(t, js)
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("a"))
}

// fetchAndNak fetches the oldest delivery of WorkFlux, like a process that then crashes.
func fetchAndNak(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	c, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
	require.NoError(t, err)
	m, err := c.Next()
	require.NoError(t, err)
	require.NoError(t, m.Nak()) // instead of waiting for the end of the lease
}

// The dead letter is stored before the delivery is removed. Otherwise a crash in between, or a full stream, would lose
// it.
func TestDeadLetter_WaitsForStreamCapacity(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	limit := func(n int64) {
		s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEADLETTERS")
		require.NoError(t, err)
		c := s.CachedInfo().Config
		c.MaxMsgs = n
		_, err = js.UpdateStream(t.Context(), c)
		require.NoError(t, err)
	}
	limit(1)
	d := newTestHandler(t, box, permanent)
	inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("b", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("b") == 1 })
	consistently(t, func() bool { return !empty(t, js) })
	limit(-1)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 2 && empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("b"))
}

func TestRun_EndsThoughNothingCanBeRecorded(t *testing.T) {
	t.Parallel()
	const drain = time.Second
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Lease: 30 * time.Second, Policy: inbox.Policy{MaxAttempts: 1, DrainTimeout: drain}})
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEADLETTERS")
	require.NoError(t, err)
	c := s.CachedInfo().Config
	c.MaxBytes = 1
	_, err = js.UpdateStream(t.Context(), c)
	require.NoError(t, err)

	// One delivery has no attempts left after its process crashed. The callback of the other one fails permanently.
	d := newTestHandler(t, box, permanent)
	stop := inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool {
		_, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil
	})
	stop()
	_, err = box.Enqueue(t.Context(), newDelivery("lost"))
	require.NoError(t, err)
	fetchAndNak(t, js)
	_, err = box.Enqueue(t.Context(), newDelivery("hopeless"))
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = box.Run(ctx, d) // returns a DrainError
	}()
	kit.Eventually(t, func() bool { return d.Calls.Of("hopeless") == 1 })
	end()
	select {
	case <-stopped:
	case <-time.After(15 * time.Second):
		require.Fail(t, "Run has not returned")
	}
}

// A move takes two steps. After a crash between them, another process repeats the move.
func TestRetry_RunsUndeletableDeadLetterOnce(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
	stop()
	stream, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEADLETTERS")
	require.NoError(t, err)
	c := stream.CachedInfo().Config
	c.DenyDelete = true
	_, err = js.UpdateStream(t.Context(), c)
	require.NoError(t, err)
	before := last(t, js)
	for range 2 {
		_, err = box.Retry(t.Context(), inbox.Filter{All: true})
		require.ErrorContains(t, err, "delete")
	}
	require.Equal(t, before+1, last(t, js))
}

// Another program may publish under the inbox's subjects.
func TestForeignMessage_BecomesDeadLetterWithoutCallback(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	for _, header := range []nats.Header{
		{}, {"Aihooks-Delivery": {`{"Vendor":"workflux"}`}}, {"Aihooks-Delivery": {"{"}},
		{"Aihooks-Delivery": {`{"Keys":["a"]}`}, "Aihooks-State": {`{"body":100000}`}},
	} {
		_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "AIHOOKS.in.workflux.default", Data: inboxkit.MessageBody("theirs", 1), Header: header})
		require.NoError(t, err)
	}
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 4 && empty(t, js) })
	for _, e := range inboxkit.DeadLetters(t, box) {
		require.Equal(t, "workflux", e.Delivery.Vendor)
		require.Equal(t, inboxkit.MessageBody("theirs", 1), e.Delivery.Body)
	}
	require.Zero(t, d.Calls.Total())
}

func TestFullStream_Responds503UntilCapacityReturns(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{MaxMessages: 2})
	d := newTestHandler(t, box, succeed)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("b", 1))
	d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("c", 1))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	_, err := box.Enqueue(t.Context(), newDelivery("c"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return empty(t, js) })
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("c", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("c") == 1 })
}

func TestFullStream_DefersDeliveriesWithoutCallback(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{MaxMessages: 2})
	d := newTestHandler(t, box, succeed)
	for _, id := range []string{"a", "b"} {
		p := newDelivery(id)
		p.Type = "unknown"
		_, err := box.Enqueue(t.Context(), p)
		require.NoError(t, err)
	}
	_, err := box.Enqueue(t.Context(), newDelivery("c"))
	require.ErrorIs(t, err, webhook.ErrInboxFull)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return empty(t, js) })
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("c", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("c") == 1 })
}

func TestRun_DoesNotSpinOnShutdown(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	require.NoError(t, d.Shutdown(t.Context()))
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 })
	consistently(t, func() bool {
		c, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		require.NoError(t, err)
		return c.CachedInfo().Delivered.Consumer <= 3
	})
}

func TestDeletedConsumer_IsRecreated(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("a") == 1 })
	require.NoError(t, js.DeleteConsumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default"))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("b", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("b") == 1 })
}

func TestAttemptRecords_ArePurgedWithoutDelivery(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	waits := newDelivery("waits")
	waits.Vendor = "unknown"
	_, err := box.Enqueue(t.Context(), waits)
	require.NoError(t, err)
	kept := firstRecordSubject(t, js)
	for _, record := range []string{kept, "AIHOOKS.attempts.4711-1", kept + "1", "AIHOOKS.attempts.1", "AIHOOKS.attempts.x"} {
		_, err := js.Publish(t.Context(), record, []byte(`{"seen":1}`))
		require.NoError(t, err)
	}
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 })
	deferred, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEFERRED")
	require.NoError(t, err)
	_, err = deferred.GetLastMsgForSubject(t.Context(), kept)
	require.NoError(t, err, "the record of an existing delivery must stay")
}

// empty reports whether no delivery is left to run.
func empty(t testing.TB, js jetstream.JetStream) bool {
	t.Helper()
	return messages(t, js, jetstreaminbox.DefaultName) == 0
}

func messages(t testing.TB, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	require.NoError(t, err)
	return s.CachedInfo().State.Msgs
}

// subjects returns the subjects of a stream's messages that match a filter.
func subjects(t testing.TB, js jetstream.JetStream, stream, filter string) map[string]uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(filter))
	require.NoError(t, err)
	return info.State.Subjects
}

// firstRecordSubject returns the subject of the oldest delivery's attempt record.
func firstRecordSubject(t testing.TB, js jetstream.JetStream) string {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	m, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq)
	require.NoError(t, err)
	return fmt.Sprintf("AIHOOKS.attempts.%d-%d", m.Sequence, m.Time.UnixNano())
}

// last returns the sequence of the newest delivery.
func last(t testing.TB, js jetstream.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	return s.CachedInfo().State.LastSeq
}
