package jetstream_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
)

func TestOutage_RespondsInTimeAndRecovers(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Lease: 2 * time.Second, Policy: inbox.Policy{MaxAttempts: 5, Logger: log.Text()}})
	started, release := make(chan struct{}), make(chan struct{})
	d := newTestHandler(t, box, func(_ context.Context, name string) error {
		if name == "runs" {
			close(started)
			<-release
		}
		return nil
	})
	d.mustRespond(t, http.StatusOK, messageBody("runs", 1))
	run(t, box, d)
	<-started
	d.mustRespond(t, http.StatusOK, messageBody("before", 1))
	stopServer(s)
	for range 3 { // every response arrives during the outage
		response := d.post(messageBody("during", 1))
		require.Equal(t, http.StatusServiceUnavailable, response.Status)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
	}
	eventually(t, func() bool { // a busy machine may need several tries
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := box.Enqueue(ctx, newDelivery("unheard")) // the client may send it later, when the server is back
		require.Error(t, err)
		return ctx.Err() == nil
	}, "Enqueue must return its error before the context ends")
	close(release) // its result can be recorded only later
	startServer(t, o)
	d.retryUntilAccepted(t, messageBody("during", 1))
	for _, name := range []string{"runs", "before", "during"} {
		eventually(t, func() bool { return d.calls.of(name) == 1 }, name)
	}
	eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("runs"))
	require.Empty(t, deadLetters(t, box))
	require.Contains(t, log.String(), "a JetStream request failed; retrying")
}

// The inbox repeats an acknowledgement until the server responds. Otherwise, a completed delivery would wait for its
// lease.
func TestOutage_RecordsOutcomeOnReconnect(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box := open(t, js, jetstreaminbox.Options{Lease: 10 * time.Minute})
	started, release := make(chan struct{}), make(chan struct{})
	d := newTestHandler(t, box, func(context.Context, string) error {
		close(started)
		<-release
		return nil
	})
	d.mustRespond(t, http.StatusOK, messageBody("runs", 1))
	run(t, box, d)
	<-started
	time.Sleep(time.Second) // until the server has its delivery count on disk
	sent := js.Conn().Stats().OutMsgs
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	close(release)
	eventually(t, func() bool { return js.Conn().Stats().OutMsgs > sent })
	time.Sleep(300 * time.Millisecond) // the acknowledgement is in the server's socket buffer, unread
	server.kill()
	server.start()
	eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("runs"))
}

// Another process may have the delivery by then, and only that one may record a result.
func TestOutage_DropsOutcomeAfterLeaseEnds(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	log := new(logtest.LogBuffer)
	const lease = 4 * time.Second // long enough for a busy machine to renew it
	box := open(t, js, jetstreaminbox.Options{Lease: lease, Policy: inbox.Policy{Logger: log.Text()}})
	started, release := make(chan struct{}, 4), make(chan struct{})
	var d *testHandler
	d = newTestHandler(t, box, func(ctx context.Context, name string) error {
		started <- struct{}{}
		<-release
		switch {
		case d.calls.of(name) > 1:
			return nil
		case name == "fails":
			return errors.New("on purpose")
		default:
			return permanent(ctx, name)
		}
	})
	d.mustRespond(t, http.StatusOK, messageBody("fails", 1))
	d.mustRespond(t, http.StatusOK, messageBody("dead-letters", 1))
	run(t, box, d)
	<-started
	<-started
	stopServer(s)
	time.Sleep(lease + time.Second) // the lease cannot be renewed
	close(release)
	eventually(t, func() bool { return strings.Count(log.String(), "the lease of a delivery had ended") == 2 })
	startServer(t, o)
	eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 2, d.calls.of("fails"))
	require.Equal(t, 2, d.calls.of("dead-letters"))
	require.Empty(t, deadLetters(t, box))
}
