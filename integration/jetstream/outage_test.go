package jetstream_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
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
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
	inboxkit.Run(t, box, d)
	<-started
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("before", 1))
	stopServer(s)
	for range 3 { // every response arrives during the outage
		response := inboxkit.Send(http.StatusServiceUnavailable, func() webhooktest.Response { return d.Post(inboxkit.MessageBody("during", 1)) })
		require.Equal(t, http.StatusServiceUnavailable, response.Status)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
	}
	kit.Eventually(t, func() bool { // a busy machine may need several tries
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := box.Enqueue(ctx, newDelivery("unheard")) // the client may send it later, when the server is back
		require.Error(t, err)
		return ctx.Err() == nil
	}, "Enqueue must return its error before the context ends")
	close(release) // its result can be recorded only later
	startServer(t, o)
	retryUntilAccepted(t, d, inboxkit.MessageBody("during", 1))
	for _, name := range []string{"runs", "before", "during"} {
		kit.Eventually(t, func() bool { return d.Calls.Of(name) == 1 }, name)
	}
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("runs"))
	require.Empty(t, inboxkit.DeadLetters(t, box))
	require.Contains(t, log.String(), "a JetStream request failed; retrying")
}

// The inbox repeats an acknowledgement until the server responds. Otherwise, a completed delivery would wait for its
// lease.
func TestOutage_RecordsOutcomeOnReconnect(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	kit.Eventually(t, func() bool {
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
	d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("runs", 1))
	inboxkit.Run(t, box, d)
	<-started
	time.Sleep(time.Second) // until the server has its delivery count on disk
	sent := js.Conn().Stats().OutMsgs
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	close(release)
	kit.Eventually(t, func() bool { return js.Conn().Stats().OutMsgs > sent })
	time.Sleep(300 * time.Millisecond) // the acknowledgement is in the server's socket buffer, unread
	server.kill()
	server.start()
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("runs"))
}

// Another process may have the delivery by then, and only that one may record a result, also if the server is back.
func TestOutage_DropsOutcomeAfterLeaseEnds(t *testing.T) {
	t.Parallel()
	for name, isBack := range map[string]bool{"during the outage": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := restartable(t)
			s := startServer(t, o)
			js := dial(t, s.ClientURL())
			log := new(logtest.LogBuffer)
			const lease = 4 * time.Second // long enough for a busy machine to renew it
			box := open(t, js, jetstreaminbox.Options{Lease: lease, Policy: inbox.Policy{Logger: log.Text()}})
			started, release := make(chan struct{}, 4), make(chan struct{})
			var d *inboxkit.Handler
			d = newTestHandler(t, box, func(ctx context.Context, name string) error {
				started <- struct{}{}
				<-release
				switch {
				case d.Calls.Of(name) > 1:
					return nil
				case name == "fails":
					return errors.New("on purpose")
				default:
					return permanent(ctx, name)
				}
			})
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("fails", 1))
			d.MustRespond(t, http.StatusOK, inboxkit.MessageBody("dead-letters", 1))
			inboxkit.Run(t, box, d)
			<-started
			<-started
			stopServer(s)
			time.Sleep(lease + time.Second) // the lease cannot be renewed
			if isBack {
				startServer(t, o)
				time.Sleep(lease) // it must not be renewed
			}
			close(release)
			kit.Eventually(t, func() bool { return log.Count("the lease of a delivery had ended") >= 2 })
			if !isBack {
				startServer(t, o)
			}
			kit.Eventually(t, func() bool { return empty(t, js) })
			require.Equal(t, 2, d.Calls.Of("fails"))
			require.Equal(t, 2, d.Calls.Of("dead-letters"))
			require.Empty(t, inboxkit.DeadLetters(t, box))
		})
	}
}

// An operator lists deliveries when the server is killed. The list continues at its cursor once the server is back.
func TestOutage_EndsListInTime(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	kit.Eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box := open(t, js, jetstreaminbox.Options{})
	const n = 500
	publishStored(t, js, "deadletter", "default", n, []byte("{}"))
	first, err := box.List(t.Context(), inbox.Query{Limit: 100})
	require.NoError(t, err)
	killed, ended := make(chan struct{}), make(chan error, 1)
	before := js.Conn().Stats().OutMsgs
	go func() {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			_, err := box.List(ctx, inbox.Query{Filter: inbox.Filter{Text: "no such text"}})
			cancel()
			select {
			case <-killed:
				if err != nil {
					ended <- err
					return
				}
			default: // a busy machine may not end a List in time
			}
		}
	}()
	kit.Eventually(t, func() bool { return js.Conn().Stats().OutMsgs > before+50 })
	close(killed)
	server.kill()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.DeadlineExceeded)
	case <-time.After(kit.Patience / 2):
		require.Fail(t, "List has not returned")
	}
	server.start()
	q := inbox.Query{Limit: 100, Cursor: first.Next}
	kit.Eventually(t, func() bool {
		_, err = box.List(t.Context(), q)
		return err == nil
	})
	ids, _ := listAll(t, box, q)
	require.Len(t, ids, n-100)
}

// The server is killed while an operator retries dead letters. The next Retry does the rest, and none runs twice.
func TestOutage_CutsRetryShort(t *testing.T) {
	t.Parallel()
	server := newServerProcess(t)
	js := dial(t, server.url())
	kit.Eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	})
	box := open(t, js, jetstreaminbox.Options{})
	const n = 80 // each with several writes that the disk confirms
	publishStored(t, js, "deadletter", "default", n, []byte("{}"))
	retry := func(ctx context.Context) error {
		_, err := box.Retry(ctx, inbox.Filter{All: true})
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	before := js.Conn().Stats().OutMsgs
	go func() { ended <- retry(ctx) }()
	kit.Eventually(t, func() bool { return js.Conn().Stats().OutMsgs > before+n/2 })
	server.kill()
	time.AfterFunc(5*time.Second, cancel)
	require.Error(t, <-ended)
	server.start()
	kit.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := retry(ctx)
		t.Log("retried:", err)
		return err == nil
	})
	ids, _ := listAll(t, box, inbox.Query{})
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), n)
	require.Equal(t, inbox.Counts{Pending: n}, statsOf(t, box))
	audit, err := box.Audit(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(audit), 2)
	for _, change := range audit {
		require.Equal(t, inbox.ActionRetry, change.Action)
	}
}

func statsOf(t testing.TB, box *jetstreaminbox.Inbox) inbox.Counts {
	t.Helper()
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	return stats.Counts
}
