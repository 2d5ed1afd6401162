package jetstream_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const refused = "deliveries are refused with 503"

func TestDeletedStream_RefusesDeliveriesUntilNew(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "_DEFERRED", "_DEADLETTERS"} {
		t.Run("AIHOOKS"+suffix, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			log := new(logtest.LogBuffer)
			box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
			d := newTestHandler(t, box, func(_ context.Context, name string) error {
				if name == "fails" {
					return permanent(t.Context(), name)
				}
				return nil
			})
			inboxkit.Run(t, box, d)
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("before", 1))
			kit.Eventually(t, func() bool { return d.Calls.Of("before") == 1 })
			stream := jetstreaminbox.DefaultName + suffix
			require.NoError(t, js.DeleteStream(t.Context(), stream))
			kit.Eventually(t, func() bool { return log.Count("level=ERROR", "stream "+stream+" was deleted while in use") == 1 })
			for range 3 {
				d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("after", 1))
			}
			_, err := box.Enqueue(t.Context(), newDelivery("after"))
			require.ErrorContains(t, err, "until New opens the inbox again")
			_, err = js.Stream(t.Context(), stream)
			require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "only New may create the stream")
			require.Equal(t, 1, log.Count("level=ERROR"), log)
			_, err = inboxkit.NewWorkFlux(webhook.Options{Inbox: box})
			require.ErrorContains(t, err, stream)

			open(t, js, jetstreaminbox.Options{}) // like another process
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("after", 1))
			kit.Eventually(t, func() bool { return d.Calls.Of("after") == 1 && empty(t, js) })
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("fails", 1))
			kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
		})
	}
}

// A process without a Run detects the deletion at the first delivery.
func TestDeletedStream_IsReportedWithoutARun(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	d := newTestHandler(t, box, succeed)
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	reported := func() int { return log.Count("level=ERROR", refused) }
	kit.Eventually(t, func() bool { // a busy machine may not find out in time
		d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("a", 1))
		return reported() > 0
	}, log)
	for range 2 {
		d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("a", 1))
	}
	require.Equal(t, 1, reported(), log)
	open(t, js, jetstreaminbox.Options{})
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
}

// Another stream with the same subjects acknowledges deliveries that no inbox runs.
func TestDeletedStream_IsNotReplacedByAnother(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ARCHIVE", Subjects: []string{"AIHOOKS.in.>"}})
	require.NoError(t, err)
	for range 2 {
		_, err = box.Enqueue(t.Context(), newDelivery("a"))
		require.ErrorContains(t, err, "stream AIHOOKS was deleted while in use")
	}
}

// A stream of the same name in memory acknowledges deliveries that it will lose.
func TestDeletedStream_IsNotReplacedByUnsafeOne(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	d := newTestHandler(t, box, succeed)
	inboxkit.Run(t, box, d)
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	c := s.CachedInfo().Config
	require.NoError(t, js.DeleteStream(t.Context(), c.Name))
	c.Storage = jetstream.MemoryStorage
	_, err = js.CreateStream(t.Context(), c)
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return log.Count("level=ERROR", refused) == 1 }) // for either reason
	// A busy machine may not find out in time.
	for tries := 0; d.Log.Count("its storage is Memory") < 3; tries++ {
		require.Less(t, tries, 10, "%s\n%s", d.Log, log)
		d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("a", 1))
	}
}

// Callbacks whose stream is deleted have nothing to acknowledge, and must not delay the end of Run.
func TestDeletedStream_LetsRunEnd(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{DrainTimeout: time.Second}})
	release := make(chan struct{})
	d := newTestHandler(t, box, func(context.Context, string) error {
		<-release
		return nil
	})
	stop := inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("a") == 1 })
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	close(release)
	kit.Eventually(t, func() bool { return d.Last().FromInbox }) // a callback that still runs is an error of the Run
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), kit.Patience/2)
}

// An operator purges a running delivery, and one that waits for its next attempt.
func TestPurgedStream_RunsWhatComesAfterwards(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Concurrency: 1, Logger: log.Text(), Backoff: func(int) time.Duration { return time.Hour }}})
	release := make(chan struct{})
	d := newTestHandler(t, box, func(_ context.Context, name string) error {
		switch name {
		case "runs":
			<-release
		case "rests":
			return errors.New("on purpose")
		}
		return nil
	})
	inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("rests", 1))
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 })
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("runs") == 1 })
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context()))
	close(release)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("after", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("after") == 1 && empty(t, js) })
	require.Zero(t, log.Count("level=ERROR"), log)
}

// A deleted consumer loses its delivery counts. Its callbacks continue, and acknowledge.
func TestDeletedConsumer_KeepsWhatRuns(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	release := make(chan struct{})
	d := newTestHandler(t, box, func(_ context.Context, name string) error {
		if name == "runs" {
			<-release
		}
		return nil
	})
	inboxkit.Run(t, box, d)
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("runs") == 1 })
	require.NoError(t, js.DeleteConsumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default"))
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("after", 1))
	kit.Eventually(t, func() bool { return d.Calls.Of("after") == 1 && messages(t, js, jetstreaminbox.DefaultName) == 1 })
	close(release)
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("runs"))
}

// A result that the server cannot confirm must not keep the only slot: the next delivery of the message needs it.
func TestDeletedConsumer_FreesSlot(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{"dead letter": webhook.Permanent(errors.New("permanent")), "retry": errors.New("once")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			const lease = 12 * time.Second // long enough for a busy machine to renew it
			box := open(t, js, jetstreaminbox.Options{Lease: lease, Policy: inbox.Policy{Concurrency: 1}})
			release := make(chan struct{})
			var d *inboxkit.Handler
			d = newTestHandler(t, box, func(_ context.Context, name string) error {
				if name == "fails" && d.Calls.Of(name) == 1 {
					<-release
					return result
				}
				return nil
			})
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("fails", 1))
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("next", 1)) // the Run does not fetch it without a slot
			inboxkit.Run(t, box, d)
			kit.Eventually(t, func() bool { return d.Calls.Of("fails") == 1 })
			require.NoError(t, js.DeleteConsumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default"))
			close(release)
			kit.Eventually(t, func() bool { return d.Calls.Of("next") == 1 && empty(t, js) })
			if name == "dead letter" {
				require.Len(t, inboxkit.DeadLetters(t, box), 1)
			}
		})
	}
}

func TestClosedConnection_EndsRun(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]func(t *testing.T, nc *nats.Conn, stopServer func()){
		"ReconnectsUsedUp": func(_ *testing.T, _ *nats.Conn, stopServer func()) { stopServer() },
		"ClosedByTheUser":  func(_ *testing.T, nc *nats.Conn, _ func()) { nc.Close() },
		"DrainedByTheUser": func(t *testing.T, nc *nats.Conn, _ func()) { require.NoError(t, nc.Drain()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(2), nats.ReconnectWait(10*time.Millisecond), nats.Timeout(requestTimeout))
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
			require.NoError(t, err)
			log := new(logtest.LogBuffer)
			box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text(), DrainTimeout: time.Minute}})
			release := make(chan struct{})
			d := newTestHandler(t, box, func(context.Context, string) error {
				<-release
				return nil
			})
			ended := make(chan error, 1)
			go func() { ended <- box.Run(context.Background(), d) }()
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
			kit.Eventually(t, func() bool { return d.Calls.Of("runs") == 1 })
			during(t, nc, func() { stopServer(s) })
			kit.Eventually(t, nc.IsClosed)
			close(release)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, nats.ErrConnectionClosed)
				require.ErrorContains(t, err, "nats.MaxReconnects(-1)")
			case <-time.After(kit.Patience):
				require.Fail(t, "Run has not returned")
			}
			require.Equal(t, 1, log.Count("level=ERROR", "the NATS connection is closed"), log)
			d.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("after", 1))
			require.ErrorIs(t, box.Run(t.Context(), d), nats.ErrConnectionClosed, "another Run must not wait either")
			require.NoError(t, box.Shutdown(t.Context()))
		})
	}
}

// A program closes the connection after Run.
func TestClosedConnection_AfterShutdownIsNoError(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	stop := inboxkit.Run(t, box, newTestHandler(t, box, succeed))
	awaitConsumer(t, js)
	stop()
	js.Conn().Close()
	require.Zero(t, log.Count("level=ERROR"), log)
}
