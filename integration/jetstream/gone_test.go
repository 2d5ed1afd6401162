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
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

const refused = "deliveries are refused with 503"

func TestDeletedStream_RefusesDeliveriesUntilNew(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "_ASIDE", "_DEAD"} {
		t.Run("AIHOOKS"+suffix, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			log := new(logtest.LogBuffer)
			box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
			d := newDesk(t, box, func(_ context.Context, name string) error {
				if name == "fails" {
					return permanent(t.Context(), name)
				}
				return nil
			})
			run(t, box, d)
			d.is(t, http.StatusOK, letter("before", 1))
			soon(t, func() bool { return d.calls.of("before") == 1 })
			stream := jetstreaminbox.DefaultName + suffix
			require.NoError(t, js.DeleteStream(t.Context(), stream))
			soon(t, func() bool { return log.Count("level=ERROR", "stream "+stream+" was deleted while in use") == 1 })
			for range 3 {
				d.is(t, http.StatusServiceUnavailable, letter("after", 1))
			}
			_, err := box.Enqueue(t.Context(), parcel("after"))
			require.ErrorContains(t, err, "until New has opened the inbox again")
			_, err = js.Stream(t.Context(), stream)
			require.ErrorIs(t, err, jetstream.ErrStreamNotFound, "nothing creates it but New")
			require.Equal(t, 1, log.Count("level=ERROR"), log)
			_, err = workflux.NewHandler(secret, &webhook.Options{Inbox: box})
			require.ErrorContains(t, err, stream)

			open(t, js, jetstreaminbox.Options{}) // as another process would
			d.is(t, http.StatusOK, letter("after", 1))
			soon(t, func() bool { return d.calls.of("after") == 1 && empty(t, js) })
			d.is(t, http.StatusOK, letter("fails", 1))
			soon(t, func() bool { return len(dead(t, box)) == 1 })
		})
	}
}

// A process without a Run learns of it by the first delivery.
func TestDeletedStream_IsReportedWithoutARun(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	d := newDesk(t, box, succeed)
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	for range 3 {
		d.is(t, http.StatusServiceUnavailable, letter("a", 1))
	}
	require.Equal(t, 1, log.Count("level=ERROR", refused), log)
	open(t, js, jetstreaminbox.Options{})
	d.is(t, http.StatusOK, letter("a", 1))
}

// An operator's stream that takes over the subjects acknowledges deliveries that no inbox runs.
func TestDeletedStream_IsNotReplacedByAnother(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ARCHIVE", Subjects: []string{"AIHOOKS.in.>"}})
	require.NoError(t, err)
	for range 2 {
		_, err = box.Enqueue(t.Context(), parcel("a"))
		require.ErrorContains(t, err, "stream AIHOOKS was deleted while in use")
	}
}

// A stream of the same name that an operator has created in memory acknowledges what it will lose.
func TestDeletedStream_IsNotReplacedByAnUnsafeOne(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	d := newDesk(t, box, succeed)
	run(t, box, d)
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	c := s.CachedInfo().Config
	require.NoError(t, js.DeleteStream(t.Context(), c.Name))
	c.Storage = jetstream.MemoryStorage
	_, err = js.CreateStream(t.Context(), c)
	require.NoError(t, err)
	soon(t, func() bool { return log.Count("level=ERROR", "its storage is Memory", refused) == 1 })
	d.is(t, http.StatusServiceUnavailable, letter("a", 1))
}

// Callbacks that run when their stream is deleted have nothing left to be acknowledged, and must not keep the Run.
func TestDeletedStream_LetsRunEnd(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{DrainTimeout: time.Second}})
	leave := make(chan struct{})
	d := newDesk(t, box, func(context.Context, string) error {
		<-leave
		return nil
	})
	stop := run(t, box, d)
	d.is(t, http.StatusOK, letter("a", 1))
	soon(t, func() bool { return d.calls.of("a") == 1 })
	require.NoError(t, js.DeleteStream(t.Context(), jetstreaminbox.DefaultName))
	close(leave)
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), patience/2)
}

// An operator purges what runs, and what rests before its next attempt.
func TestPurgedStream_RunsWhatComesAfterwards(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Concurrency: 1, Logger: log.Text(), Backoff: func(int) time.Duration { return time.Hour }}})
	leave := make(chan struct{})
	d := newDesk(t, box, func(_ context.Context, name string) error {
		switch name {
		case "runs":
			<-leave
		case "rests":
			return errors.New("on purpose")
		}
		return nil
	})
	run(t, box, d)
	d.is(t, http.StatusOK, letter("rests", 1))
	soon(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_ASIDE") == 1 })
	d.is(t, http.StatusOK, letter("runs", 1))
	soon(t, func() bool { return d.calls.of("runs") == 1 })
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context()))
	close(leave)
	d.is(t, http.StatusOK, letter("after", 1))
	soon(t, func() bool { return d.calls.of("after") == 1 && empty(t, js) })
	require.Zero(t, log.Count("level=ERROR"), log)
}

// A consumer that is deleted takes its count of deliveries along. Its callbacks go on, and end what they run.
func TestDeletedConsumer_KeepsWhatRuns(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	leave := make(chan struct{})
	d := newDesk(t, box, func(_ context.Context, name string) error {
		if name == "runs" {
			<-leave
		}
		return nil
	})
	run(t, box, d)
	d.is(t, http.StatusOK, letter("runs", 1))
	soon(t, func() bool { return d.calls.of("runs") == 1 })
	require.NoError(t, js.DeleteConsumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default"))
	d.is(t, http.StatusOK, letter("after", 1))
	soon(t, func() bool { return d.calls.of("after") == 1 })
	require.EqualValues(t, 1, messages(t, js, jetstreaminbox.DefaultName))
	close(leave)
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("runs"))
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
			nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(2), nats.ReconnectWait(10*time.Millisecond))
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			log := new(logtest.LogBuffer)
			box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text(), DrainTimeout: time.Minute}})
			leave := make(chan struct{})
			d := newDesk(t, box, func(context.Context, string) error {
				<-leave
				return nil
			})
			ended := make(chan error, 1)
			go func() { ended <- box.Run(context.Background(), d) }()
			d.is(t, http.StatusOK, letter("runs", 1))
			soon(t, func() bool { return d.calls.of("runs") == 1 })
			during(t, nc, func() { stopServer(s) })
			soon(t, nc.IsClosed)
			close(leave)
			select {
			case err := <-ended:
				require.ErrorIs(t, err, nats.ErrConnectionClosed)
				require.ErrorContains(t, err, "nats.MaxReconnects(-1)")
			case <-time.After(patience):
				require.Fail(t, "Run has not returned")
			}
			require.Equal(t, 1, log.Count("level=ERROR", "the NATS connection is closed"), log)
			d.is(t, http.StatusServiceUnavailable, letter("after", 1))
			require.ErrorIs(t, box.Run(t.Context(), d), nats.ErrConnectionClosed, "nor does another one wait")
			require.NoError(t, box.Shutdown(t.Context()))
		})
	}
}

// The connection is closed after Run, or while Run drains: that is how a program ends.
func TestClosedConnection_AfterShutdownIsNoError(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	stop := run(t, box, newDesk(t, box, succeed))
	awaitConsumer(t, js)
	stop()
	js.Conn().Close()
	require.Zero(t, log.Count("level=ERROR"), log)
}
