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

func TestWhileTheServerIsDownDeliveriesAreAnswered503InTimeAndItGoesOnByItselfAfterwards(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Lease: 2 * time.Second, Policy: inbox.Policy{MaxAttempts: 5, Logger: log.Text()}})
	entered, leave := make(chan struct{}), make(chan struct{})
	d := newDesk(t, box, func(_ context.Context, name string) error {
		if name == "runs" {
			close(entered)
			<-leave
		}
		return nil
	})
	d.is(t, http.StatusOK, letter("runs", 1))
	run(t, box, d)
	<-entered
	d.is(t, http.StatusOK, letter("before", 1))
	stopServer(s)
	for range 3 { // each is answered while the server is down
		answer := d.post(letter("during", 1))
		require.Equal(t, http.StatusServiceUnavailable, answer.Status)
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
	}
	soon(t, func() bool { // at once, but for a machine that is busy
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := box.Enqueue(ctx, parcel("unheard")) // the client may send it yet, once the server is back
		require.Error(t, err)
		return ctx.Err() == nil
	}, "the handler hears why before it gives up")
	close(leave) // what has become of it can be put down only later
	startServer(t, o)
	d.accepted(t, letter("during", 1))
	for _, name := range []string{"runs", "before", "during"} {
		soon(t, func() bool { return d.calls.of(name) == 1 }, name)
	}
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("runs"))
	require.Empty(t, dead(t, box))
	require.Contains(t, log.String(), "it is asked again")
}

// Acknowledgements are repeated until the server has answered: otherwise what was done would lie there for a lease.
func TestWhatBecameOfADeliveryIsPutDownOnceTheServerIsBackAndNotALeaseLater(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	soon(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box := open(t, js, jetstreaminbox.Options{Lease: 10 * time.Minute})
	entered, leave := make(chan struct{}), make(chan struct{})
	d := newDesk(t, box, func(context.Context, string) error {
		close(entered)
		<-leave
		return nil
	})
	d.is(t, http.StatusOK, letter("runs", 1))
	run(t, box, d)
	<-entered
	time.Sleep(time.Second) // until the server has on its disk that it has given the delivery away
	sent := js.Conn().Stats().OutMsgs
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	close(leave)
	soon(t, func() bool { return js.Conn().Stats().OutMsgs > sent })
	time.Sleep(300 * time.Millisecond) // it lies with the server, which will not have read it
	server.kill()
	server.start()
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("runs"))
}

// Somebody else may have the delivery by then, and what becomes of it is theirs to say.
func TestWhatBecomesOfADeliveryAfterItsLeaseHasEndedIsNotPutDown(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	log := new(logtest.LogBuffer)
	const lease = 4 * time.Second // a machine that is busy renews it in time
	box := open(t, js, jetstreaminbox.Options{Lease: lease, Policy: inbox.Policy{Logger: log.Text()}})
	entered, leave := make(chan struct{}, 4), make(chan struct{})
	var d *desk
	d = newDesk(t, box, func(ctx context.Context, name string) error {
		entered <- struct{}{}
		<-leave
		switch {
		case d.calls.of(name) > 1:
			return nil
		case name == "fails":
			return errors.New("on purpose")
		default:
			return permanent(ctx, name)
		}
	})
	d.is(t, http.StatusOK, letter("fails", 1))
	d.is(t, http.StatusOK, letter("is buried", 1))
	run(t, box, d)
	<-entered
	<-entered
	stopServer(s)
	time.Sleep(lease + time.Second) // it cannot be renewed
	close(leave)
	soon(t, func() bool { return strings.Count(log.String(), "the lease of a delivery had ended") == 2 })
	startServer(t, o)
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 2, d.calls.of("fails"))
	require.Equal(t, 2, d.calls.of("is buried"))
	require.Empty(t, dead(t, box))
}
