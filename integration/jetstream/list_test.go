package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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

// storedMessage returns the message of a delivery of WorkFlux, as the inbox stores it. kind is in, deferred or deadletter.
func storedMessage(t testing.TB, kind, endpoint, id string, body []byte, attempts ...inbox.Attempt) *nats.Msg {
	t.Helper()
	meta, err := json.Marshal(&webhook.Delivery{
		Vendor: "workflux", Endpoint: endpoint, Type: "user.message", ID: id, Keys: []string{endpoint + id}, ReceivedAt: time.Now().UTC(),
	})
	require.NoError(t, err)
	m := &nats.Msg{Subject: fmt.Sprintf("AIHOOKS.%s.workflux.%s", kind, endpoint), Data: body, Header: nats.Header{"Aihooks-Delivery": {string(meta)}}}
	if kind != "in" {
		m.Subject += fmt.Sprintf(".%032x", id)[:33]
	}
	if len(attempts) > 0 {
		extra, err := json.Marshal(map[string]any{"attempts": attempts})
		require.NoError(t, err)
		m.Header["Aihooks-State"] = []string{fmt.Sprintf(`{"body":%d}`, len(body))}
		m.Data = append(slices.Clip(body), extra...)
	}
	return m
}

// publishStored stores n deliveries of a kind. Their IDs are their numbers.
func publishStored(t testing.TB, js jetstream.JetStream, kind, endpoint string, n int, body []byte) {
	t.Helper()
	publishStoredTo(t, js, kind, func(int) string { return endpoint }, n, body)
}

// publishStoredTo is publishStored with an endpoint for each number.
func publishStoredTo(t testing.TB, js jetstream.JetStream, kind string, endpointOf func(i int) string, n int, body []byte) {
	t.Helper()
	var attempts []inbox.Attempt
	if kind != "in" {
		attempts = []inbox.Attempt{{Outcome: webhook.Failed, Error: "on purpose", Counted: true}}
	}
	for i := range n {
		m := storedMessage(t, kind, endpointOf(i), fmt.Sprintf("%016d", i), body, attempts...)
		_, err := js.PublishMsgAsync(m, jetstream.WithStallWait(kit.Patience))
		require.NoError(t, err)
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(5 * time.Minute):
		require.Fail(t, "the messages are not stored")
	}
}

// newFastServer starts a server that syncs rarely, for tests that store many messages.
func newFastServer(t testing.TB) jetstream.JetStream {
	t.Helper()
	o := options(filepath.Join(t.TempDir(), "nats"))
	o.SyncAlways, o.JetStreamMaxStore = false, 8<<30
	return dial(t, startServer(t, o).ClientURL())
}

// listAll reads all pages of a query. It returns the deliveries' IDs, and the number of pages.
func listAll(t testing.TB, box *jetstreaminbox.Inbox, q inbox.Query) (ids []string, pages int) {
	t.Helper()
	for {
		page, err := box.List(t.Context(), q)
		require.NoError(t, err)
		for _, e := range page.Entries {
			ids = append(ids, e.Delivery.ID)
		}
		pages++
		if q.Cursor = page.Next; page.Next == "" {
			return ids, pages
		}
	}
}

// sentBy returns how many messages the connection sends during f.
func sentBy(js jetstream.JetStream, f func()) int {
	before := js.Conn().Stats().OutMsgs
	f()
	return int(js.Conn().Stats().OutMsgs - before)
}

var streamsOf = map[string]string{"in": "AIHOOKS", "deferred": "AIHOOKS_DEFERRED", "deadletter": "AIHOOKS_DEADLETTERS"}

var statesOf = map[string]inbox.State{"in": inbox.Pending, "deferred": inbox.Deferred, "deadletter": inbox.DeadLettered}

func TestList_ReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	for name, kept := range map[string]func(i int) bool{
		"All":        func(int) bool { return true },
		"Few":        func(i int) bool { return i%97 == 3 },
		"Half":       func(i int) bool { return i%2 == 0 },
		"Gap":        func(i int) bool { return i < 130 || i > 290 },
		"GapAtFront": func(i int) bool { return i > 250 },
		"GapAtEnd":   func(i int) bool { return i < 50 },
		"First":      func(i int) bool { return i == 0 },
		"Last":       func(i int) bool { return i == n-1 },
		"None":       func(int) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := newFastServer(t)
			box := open(t, js, jetstreaminbox.Options{})
			want := map[string][]string{}
			for kind, stream := range streamsOf {
				publishStoredTo(t, js, kind, func(i int) string {
					if !kept(i) {
						return "deleted"
					}
					want[kind] = append([]string{fmt.Sprintf("%016d", i)}, want[kind]...)
					return "default"
				}, n, []byte("{}"))
				s, err := js.Stream(t.Context(), stream)
				require.NoError(t, err)
				require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject("AIHOOKS."+kind+".workflux.deleted.>")))
				require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject("AIHOOKS."+kind+".workflux.deleted")))
				if len(want[kind]) > 0 { // another endpoint
					publishStored(t, js, kind, "other", 3, []byte("{}"))
				}
			}
			for kind, state := range statesOf {
				for _, limit := range []int{0, 1, 17, 1000} {
					if limit == 1 && len(want[kind]) > 60 {
						continue // it takes long
					}
					ids, _ := listAll(t, box, inbox.Query{Limit: limit, Filter: inbox.Filter{State: state, Endpoint: "default"}})
					require.Equal(t, want[kind], ids, "%s %d", state, limit)
				}
			}
			all := slices.Concat(want["deadletter"], want["deferred"], want["in"])
			for _, limit := range []int{60, 100} {
				ids, _ := listAll(t, box, inbox.Query{Limit: limit, Filter: inbox.Filter{Vendor: "workflux", Endpoint: "default"}})
				require.Equal(t, all, ids)
			}
			ids, _ := listAll(t, box, inbox.Query{Filter: inbox.Filter{Text: "0027"}})
			require.ElementsMatch(t, slices.DeleteFunc(all, func(id string) bool { return !strings.Contains(id, "0027") }), ids)
		})
	}
}

// The last page has no cursor, and every other page is full.
func TestList_EndsWithLastEntry(t *testing.T) {
	t.Parallel()
	js := newFastServer(t)
	box := open(t, js, jetstreaminbox.Options{})
	for kind := range streamsOf {
		publishStored(t, js, kind, "default", 4, []byte("{}"))
	}
	for limit, want := range map[int]int{1: 12, 2: 6, 4: 3, 5: 3, 6: 2, 12: 1, 13: 1} {
		ids, pages := listAll(t, box, inbox.Query{Limit: limit})
		require.Len(t, ids, 12)
		require.Equal(t, want, pages, limit)
	}
}

// A stream may have few messages in many sequences, and those at the end of a gap may be many.
func TestList_SkipsGapsWithFewRequests(t *testing.T) {
	t.Parallel()
	js := newFastServer(t)
	box := open(t, js, jetstreaminbox.Options{})
	publishStored(t, js, "in", "default", 1000, []byte("{}"))
	publishStored(t, js, "in", "gap", 3000, []byte("{}"))
	publishStored(t, js, "in", "default", 5, []byte("{}"))
	s, err := js.Stream(t.Context(), "AIHOOKS")
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject("AIHOOKS.in.workflux.gap")))
	require.Less(t, sentBy(js, func() {
		page, err := box.List(t.Context(), inbox.Query{Limit: 50})
		require.NoError(t, err)
		require.Len(t, page.Entries, 50)
		require.NotEmpty(t, page.Next)
	}), 200)
	require.Less(t, sentBy(js, func() {
		ids, _ := listAll(t, box, inbox.Query{Limit: 1000})
		require.Len(t, ids, 1005)
	}), 1500)
	require.Less(t, sentBy(js, func() {
		ids, _ := listAll(t, box, inbox.Query{Filter: inbox.Filter{Endpoint: "no such endpoint"}})
		require.Empty(t, ids)
	}), 60)
}

func TestList_ReportsHowFarItRead(t *testing.T) {
	t.Parallel()
	js := newFastServer(t)
	box := open(t, js, jetstreaminbox.Options{})
	publishStored(t, js, "deadletter", "default", 10_001, []byte("{}")) // one more than a List reads
	q := inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered, Text: "no such text"}}
	page, err := box.List(t.Context(), q)
	require.NoError(t, err)
	require.Empty(t, page.Entries)
	require.NotEmpty(t, page.Next)
	second, err := box.Entry(t.Context(), fmt.Sprintf("%032x", fmt.Sprintf("%016d", 1)))
	require.NoError(t, err)
	require.Equal(t, second.Since, page.ReadUntil)
	q.Cursor = page.Next
	page, err = box.List(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, inbox.Page{}, page)
	page, err = box.List(t.Context(), inbox.Query{Limit: 2})
	require.NoError(t, err)
	require.Zero(t, page.ReadUntil)

	from := time.Now()
	publishStored(t, js, "in", "default", 3, []byte("{}"))
	n, err := inbox.Count(t.Context(), box, inbox.Filter{From: from})
	require.NoError(t, err)
	require.Equal(t, 3, n, "new deliveries come after the dead letters")
}

// The server cannot leave out the bodies.
func TestList_LimitsBytes(t *testing.T) {
	t.Parallel()
	js := newFastServer(t)
	box := open(t, js, jetstreaminbox.Options{})
	publishStored(t, js, "deadletter", "default", 20, []byte(strings.Repeat("x", 3<<20)))
	page, err := box.List(t.Context(), inbox.Query{Limit: 10, Filter: inbox.Filter{State: inbox.DeadLettered, Text: "no such text"}})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	require.NotZero(t, page.ReadUntil)
	require.Less(t, js.Conn().Stats().InBytes, uint64(13*4<<20), "it must not read much more than its limit, in base64")
	page, err = box.List(t.Context(), inbox.Query{Limit: 10, Filter: inbox.Filter{Text: "no such text"}})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	require.Zero(t, page.ReadUntil, "pending deliveries may follow")
}

func TestList_RunningIsOfThisProcess(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	const lease = time.Minute
	box, other := open(t, dial(t, url), jetstreaminbox.Options{Lease: lease}), open(t, dial(t, url), jetstreaminbox.Options{Lease: lease})
	began, end := make(chan struct{}, 3), make(chan struct{})
	d := newTestHandler(t, box, func(context.Context, string) error {
		began <- struct{}{}
		<-end
		return nil
	})
	defer close(end)
	for _, id := range []string{"a", "b", "c"} {
		_, err := box.Enqueue(t.Context(), newDelivery(id))
		require.NoError(t, err)
	}
	waits := newDelivery("waits")
	waits.Endpoint = "other"
	_, err := box.Enqueue(t.Context(), waits)
	require.NoError(t, err)
	inboxkit.Run(t, box, d)
	for range 3 {
		<-began
	}
	in := func(box *jetstreaminbox.Inbox, s inbox.State) []string {
		ids, _ := listAll(t, box, inbox.Query{Limit: 2, Filter: inbox.Filter{State: s}})
		return ids
	}
	require.Equal(t, []string{"c", "b", "a"}, in(box, inbox.Running))
	require.Equal(t, []string{"waits"}, in(box, inbox.Pending))
	require.Empty(t, in(other, inbox.Running))
	require.Equal(t, []string{"waits", "c", "b", "a"}, in(other, inbox.Pending))
	require.Empty(t, in(box, inbox.Done))
	page, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{State: inbox.Running}})
	require.NoError(t, err)
	e, err := box.Entry(t.Context(), page.Entries[0].ID)
	require.NoError(t, err)
	require.Equal(t, inbox.Running, e.State)
	require.WithinRange(t, e.Due, time.Now(), time.Now().Add(lease), "it is the end of the lease")
	e, err = other.Entry(t.Context(), page.Entries[0].ID)
	require.NoError(t, err)
	require.Equal(t, inbox.Pending, e.State)
	hash, _, _ := strings.Cut(e.ID, "-")
	e, err = box.Entry(t.Context(), hash)
	require.NoError(t, err)
	require.Equal(t, inbox.Running, e.State)
}

func TestEntry_HasAttemptsAndDueWhilePending(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }}})
	d := newTestHandler(t, box, func(context.Context, string) error { return errors.New("on purpose") })
	_, err := box.Enqueue(t.Context(), newDelivery("fresh"))
	require.NoError(t, err)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), page.Entries[0].Due, kit.Patience, "it is due since it was stored")
	stop := inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return len(subjects(t, js, "AIHOOKS_DEFERRED", "AIHOOKS.attempts.>")) == 1 })
	stop()
	page, err = box.List(t.Context(), inbox.Query{Filter: inbox.Filter{Text: "on PURPOSE"}})
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
	e, err := box.Entry(t.Context(), page.Entries[0].ID)
	require.NoError(t, err)
	require.Equal(t, inbox.Pending, e.State)
	require.Len(t, e.Attempts, 1)
	require.Equal(t, "on purpose", e.LastError())
	require.WithinRange(t, e.Due, time.Now().Add(time.Hour-kit.Patience), time.Now().Add(time.Hour))
	require.Equal(t, page.Entries[0].Attempts, e.Attempts)
	require.Equal(t, page.Entries[0].Due, e.Due)
}

// An operator looks at a pending delivery, which fails meanwhile. Then the operator retries it.
func TestEntry_FollowsDelivery(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	pending := page.Entries[0].ID
	stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
	stop()
	dead, err := box.Entry(t.Context(), pending)
	require.NoError(t, err)
	require.Equal(t, inbox.DeadLettered, dead.State)
	require.Equal(t, inboxkit.DeadLetters(t, box)[0], dead)
	_, err = box.Retry(t.Context(), inbox.Filter{ID: dead.ID})
	require.NoError(t, err)
	for _, id := range []string{pending, dead.ID} {
		e, err := box.Entry(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, inbox.Pending, e.State)
		require.NotEqual(t, pending, e.ID, "it has another sequence")
	}
	for _, id := range []string{pending[:31], pending + "0", pending + "-", "-1", strings.ToUpper(dead.ID) + "x", dead.ID + "-", dead.ID + "-01", "*", ">", "AIHOOKS.in"} {
		if e, err := box.Entry(t.Context(), id); err == nil {
			require.Equal(t, pending+"0", id, "%+v", e) // its sequence does not exist, and its hash does
			continue
		}
		_, err := box.Entry(t.Context(), id)
		require.ErrorIs(t, err, inbox.ErrNotFound, id)
	}
}
