package enginetest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

func TestWhileTheServerIsDownDeliveriesAreAnswered503InTimeAndItGoesOnByItselfAfterwards(t *testing.T) {
	o := options(t.TempDir())
	s := startServer(t, o)
	o.Port = portOf(s)
	js := dial(t, s.ClientURL())
	log := new(logbook)
	box := open(t, js, jetstreaminbox.Options{Lease: 2 * time.Second, Policy: inbox.Policy{MaxAttempts: 5, Logger: log.logger()}})
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
	for range 3 {
		answer, took := d.post(t, letter("during", 1))
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.NotEmpty(t, answer.Header().Get("Retry-After"))
		require.Less(t, took, 4500*time.Millisecond)
	}
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
