package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// An older version has created the streams, and an operator has limited one.
func TestNew_AddsRecordSubject(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	old := open(t, js, jetstreaminbox.Options{})
	removeRecordSubject(t, js)
	s, err := js.Stream(t.Context(), "AIHOOKS_DEFERRED")
	require.NoError(t, err)
	want := s.CachedInfo().Config
	want.MaxBytes, want.Description = 1<<20, "an operator's"
	_, err = js.UpdateStream(t.Context(), want)
	require.NoError(t, err)
	s, err = js.Stream(t.Context(), "AIHOOKS_DEFERRED")
	require.NoError(t, err)
	want = s.CachedInfo().Config
	publishStored(t, js, "deferred", "default", 1, []byte("{}"))
	require.ErrorContains(t, old.Pause(t.Context(), inbox.Scope{Vendor: "acme"}), "stream AIHOOKS_DEFERRED needs the subject AIHOOKS.record.>")
	pauses, err := old.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)
	require.NoError(t, old.Ready(t.Context()), "deliveries are received without it")
	kit.Eventually(t, func() bool { // a busy machine may not add it in time
		open(t, js, jetstreaminbox.Options{})
		s, err = js.Stream(t.Context(), "AIHOOKS_DEFERRED")
		require.NoError(t, err)
		return slices.Contains(s.CachedInfo().Config.Subjects, "AIHOOKS.record.>")
	})
	got := s.CachedInfo()
	want.Subjects = append(want.Subjects, "AIHOOKS.record.>")
	require.Equal(t, want, got.Config)
	require.EqualValues(t, 1, got.State.Msgs)
	require.NoError(t, old.Pause(t.Context(), inbox.Scope{Vendor: "acme"}), "the other process needs no restart")
}

// A service whose user must not change streams must still receive and run deliveries.
func TestNew_WorksWithoutRecordSubject(t *testing.T) {
	t.Parallel()
	admin, user := limited(t, slices.DeleteFunc(documented(t), func(p permission) bool { return strings.Contains(p.subject, "STREAM.UPDATE") }),
		requestTimeout)
	open(t, admin, jetstreaminbox.Options{})
	removeRecordSubject(t, admin)
	var log *logtest.LogBuffer
	var box *jetstreaminbox.Inbox
	kit.Eventually(t, func() bool { // a busy machine may report the violation later
		log = new(logtest.LogBuffer)
		box = open(t, user, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
		return log.Count("level=WARN", "deliveries cannot be paused, retried, rerun or discarded", "needs the subject AIHOOKS.record.>",
			"STREAM.UPDATE.AIHOOKS_DEFERRED", "Permissions Violation") == 1
	})
	d := newTestHandler(t, box, permanent)
	inboxkit.Run(t, box, d)
	d.MustRespond(t, 200, inboxkit.MessageBody("a", 1))
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
	_, err := box.Retry(t.Context(), inbox.Filter{All: true})
	require.ErrorContains(t, err, "needs the subject AIHOOKS.record.>")
	require.Len(t, inboxkit.DeadLetters(t, box), 1)
	kit.Eventually(t, func() bool { // a busy machine may not add it in time
		open(t, admin, jetstreaminbox.Options{})
		_, err = box.Discard(t.Context(), inbox.Filter{All: true})
		return err == nil
	})
	require.Zero(t, log.Count("level=ERROR", "must not be used"), log)
}

func TestRecords_KeepAnyName(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	scopes := []inbox.Scope{
		{Vendor: "a", Endpoint: "b"}, {Vendor: "a/b"}, {Vendor: "a.b"}, {Vendor: "*"}, {Vendor: ">"}, {Type: "\x00 \"é\" =2A\\"}, {Endpoint: " "},
		{Vendor: strings.Repeat("v", 256), Endpoint: strings.Repeat("é", 120), Type: strings.Repeat("日", 85)},
	}
	for _, s := range scopes {
		require.NoError(t, box.Pause(t.Context(), s))
		require.NoError(t, box.Pause(t.Context(), s), "again")
	}
	require.Len(t, subjects(t, js, "AIHOOKS_DEFERRED", "AIHOOKS.record.pause.>"), len(scopes))
	pauses, err := box.Pauses(t.Context())
	require.NoError(t, err)
	for i, p := range pauses {
		require.Equal(t, scopes[i], p.Scope)
	}
	// A server closes the connection of a client that sends a line of more than 4096 bytes.
	require.ErrorContains(t, box.Pause(t.Context(), inbox.Scope{Type: strings.Repeat("=", 5000)}), "must not be longer than")
	for _, s := range scopes {
		require.NoError(t, box.Resume(t.Context(), s))
		require.ErrorIs(t, box.Resume(t.Context(), s), inbox.ErrNotFound)
	}
	require.EqualValues(t, 0, js.Conn().Stats().Reconnects)
}

// A Run that missed a pause for a moment would run what is paused.
func TestRecords_AreNeverMissedWhileReplaced(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	box, other := open(t, dial(t, url), jetstreaminbox.Options{}), open(t, dial(t, url), jetstreaminbox.Options{})
	for _, vendor := range []string{"a", "b", "c"} {
		require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: vendor}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	replaced := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := box.Pause(context.Background(), inbox.Scope{Vendor: "a"}); err != nil {
				replaced <- err
				return
			}
		}
		replaced <- nil
	}()
	for range 100 {
		pauses, err := other.Pauses(t.Context())
		require.NoError(t, err)
		require.Len(t, pauses, 3)
	}
	cancel()
	require.NoError(t, <-replaced)
}

// Without pauses, a Run reads them by one request, however many deliveries are deferred.
func TestPauses_AreOneRequest(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	publishStored(t, js, "deferred", "default", 50, []byte("{}"))
	read := func() {
		_, err := box.Pauses(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 1, sentBy(js, read))
	require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: "acme"}))
	require.Equal(t, 2, sentBy(js, read))
}

// A slowConn counts its reads, and delays each, as if the server was far away.
type slowConn struct {
	net.Conn

	reads *atomic.Int64
}

func (c slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.reads.Add(1)
	time.Sleep(5 * time.Millisecond)
	return n, err
}

func (c slowConn) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	return slowConn{conn, c.reads}, err
}

// One request after the other would need longer than the engine waits when it deletes old changes.
func TestAudit_RequestsRecordsTogether(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	box := open(t, dial(t, server.ClientURL()), jetstreaminbox.Options{})
	const changes = 200
	for range changes / 2 {
		require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: "acme"}))
		require.NoError(t, box.Resume(t.Context(), inbox.Scope{Vendor: "acme"}))
	}
	var reads atomic.Int64
	nc, err := nats.Connect(server.ClientURL(), nats.SetCustomDialer(slowConn{reads: &reads}), nats.Timeout(requestTimeout))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	require.NoError(t, err)
	tool, err := jetstreaminbox.Attach(t.Context(), js, "")
	require.NoError(t, err)
	audit, err := tool.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, changes)
	require.Less(t, reads.Load(), int64(changes/2))
}

// While a scope is paused, many deliveries may be deferred. Reading all of them every ten seconds would load the server.
func TestResume_ReadsDeferredOnce(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	js, operator := dial(t, url), dial(t, url)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }}})
	scope := inbox.Scope{Type: "user.message"}
	require.NoError(t, box.Pause(t.Context(), scope))
	const n = 300
	publishStored(t, operator, "deferred", "default", n, inboxkit.MessageBody("a", 1))
	var called atomic.Int64
	d := inboxkit.Fake{VendorName: "workflux", Callback: inboxkit.Calls(func() { called.Add(1) })}
	sent := js.Conn().Stats().OutMsgs
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return js.Conn().Stats().OutMsgs > sent+n })
	store := func() { // a deferred delivery of another type
		m := storedMessage(t, "deferred", "default", fmt.Sprintf("%016x", time.Now().UnixNano()), inboxkit.MessageBody("b", 1))
		m.Header["Aihooks-Delivery"] = []string{strings.Replace(m.Header.Get("Aihooks-Delivery"), "user.message", "other", 1)}
		_, err := operator.PublishMsg(t.Context(), m)
		require.NoError(t, err)
	}
	store()
	kit.Eventually(t, func() bool { return called.Load() == 1 })
	began := time.Now()
	requests := sentBy(js, func() {
		store()
		kit.Eventually(t, func() bool { return called.Load() == 2 })
	})
	require.Less(t, requests, n/2+4*int(time.Since(began).Seconds()), "a Run also sends up to four requests per second while it waits")

	// An operator creates the stream again, and its sequences begin at 1. A Run that does not notice the lost pause reads it all.
	recreate["ByAnOperator"](t, operator, "AIHOOKS_DEFERRED")
	require.NoError(t, box.Pause(t.Context(), scope))
	store()
	kit.Eventually(t, func() bool { return called.Load() == 3 })
	deferred := func() int { return len(subjects(t, operator, "AIHOOKS_DEFERRED", "AIHOOKS.deferred.>")) }
	kit.Eventually(t, func() bool { return deferred() == 0 })

	// Deliveries that were read while they were paused run after Resume.
	require.NoError(t, box.Pause(t.Context(), scope))
	kit.Eventually(t, func() bool { // until the Run has noticed
		_, err := box.Enqueue(t.Context(), newDelivery(fmt.Sprint("probe ", time.Now().UnixNano())))
		require.NoError(t, err)
		return deferred() > 0
	})
	kit.Eventually(t, func() bool { return empty(t, operator) })
	waiting := int64(deferred())
	before := called.Load()
	store()
	kit.Eventually(t, func() bool { return called.Load() == before+1 })
	require.NoError(t, box.Resume(t.Context(), scope))
	kit.Eventually(t, func() bool { return called.Load() == before+1+waiting })
}

// The server is down when the Run starts. It must not run what is paused.
func TestPauses_AreKnownBeforeFirstCallback(t *testing.T) {
	t.Parallel()
	o := restartable(t)
	s := startServer(t, o)
	log := new(logtest.LogBuffer) // either the pauses or the consumer are reported
	box := open(t, dial(t, s.ClientURL()), jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	js := dial(t, s.ClientURL())
	require.NoError(t, box.Pause(t.Context(), inbox.Scope{Type: "user.message"}))
	for _, id := range []string{"paused", "runs"} {
		d := newDelivery(id)
		if id == "runs" {
			d.Type = "agent.response"
		}
		_, err := box.Enqueue(t.Context(), d)
		require.NoError(t, err)
	}
	d := newTestHandler(t, box, succeed)
	ran := make(chan struct{})
	d.OnUnhandled(func(context.Context, *webhook.Delivery) error {
		close(ran)
		return nil
	})
	stopServer(s)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return log.Count("retrying") > 0 })
	startServer(t, o)
	<-ran
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Zero(t, d.Calls.Total())
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
	require.Equal(t, inbox.Deferred, page.Entries[0].State)
	require.Len(t, page.Entries[0].Attempts, 1)
	require.Equal(t, inbox.Paused, page.Entries[0].Attempts[0].Outcome)
	require.False(t, page.Entries[0].Attempts[0].Counted)
}

// A suspect that is retried, or resumed after a pause, comes back as a new message. It is still a suspect.
func TestSuspect_StaysOneAfterMove(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(t *testing.T, box *jetstreaminbox.Inbox, js jetstream.JetStream, run func()){
		"Retried": func(t *testing.T, box *jetstreaminbox.Inbox, js jetstream.JetStream, run func()) {
			n, err := box.Retry(t.Context(), inbox.Filter{All: true})
			require.NoError(t, err)
			require.Equal(t, 3, n)
			run()
		},
		"Paused": func(t *testing.T, box *jetstreaminbox.Inbox, js jetstream.JetStream, run func()) {
			scope := inbox.Scope{Vendor: "workflux"}
			require.NoError(t, box.Pause(t.Context(), scope))
			_, err := box.Retry(t.Context(), inbox.Filter{All: true})
			require.NoError(t, err)
			run()
			kit.Eventually(t, func() bool {
				return len(subjects(t, js, "AIHOOKS_DEFERRED", "AIHOOKS.deferred.>")) == 3 && empty(t, js)
			})
			require.NoError(t, box.Resume(t.Context(), scope))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			box := open(t, js, jetstreaminbox.Options{Lease: time.Minute})
			lost := inbox.Attempt{Outcome: inbox.Lost, Error: "worker process was lost"}
			for _, id := range []string{"suspect 1", "suspect 2", "suspect 3"} {
				_, err := js.PublishMsg(t.Context(), storedMessage(t, "deadletter", "default", fmt.Sprintf("%016s", id), inboxkit.MessageBody(id, 1), lost))
				require.NoError(t, err)
			}
			var running, most atomic.Int64
			release := make(chan struct{})
			d := newTestHandler(t, box, func(_ context.Context, name string) error {
				if name == "innocent" {
					return nil
				}
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-release
				return errors.New("on purpose") // ends it as a suspect
			})
			move(t, box, js, func() { inboxkit.Run(t, box, d) })
			kit.Eventually(t, func() bool { return running.Load() == 1 })
			d.MustRespond(t, 200, inboxkit.MessageBody("innocent", 1))
			kit.Eventually(t, func() bool { return d.Calls.Of("innocent") == 1 })
			consistently(t, func() bool { return running.Load() == 1 })
			close(release)
			kit.Eventually(t, func() bool {
				return d.Calls.Of("suspect 1") > 0 && d.Calls.Of("suspect 2") > 0 && d.Calls.Of("suspect 3") > 0
			})
		})
	}
}

func TestRetry_ByIDReportsFasterOperator(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	publishStored(t, js, "deadletter", "default", 20, []byte("{}"))
	page, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}})
	require.NoError(t, err)
	for _, e := range page.Entries {
		var group sync.WaitGroup
		var retried atomic.Int64
		for range 4 {
			group.Go(func() {
				n, err := box.Retry(t.Context(), inbox.Filter{ID: e.ID})
				retried.Add(int64(n))
				if n == 0 {
					assert.ErrorIs(t, err, inbox.ErrNotFound)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, retried.Load())
	}
}
