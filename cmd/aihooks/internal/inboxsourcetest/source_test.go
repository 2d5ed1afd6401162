package inboxsourcetest

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
	"github.com/aihooks/aihooks-go/internal/page"
)

func TestList_ShowsNewestFirst(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	h := &hook{vendor: "greenflash"}
	store(t, box, "greenflash", "bad", 0, 2)
	store(t, box, "greenflash", "good", 2, 2)
	store(t, box, "greenflash", "unknown", 4, 1)
	run(t, box, h, func(s inbox.Stats) bool { return s.DeadLettered == 2 && s.Done == 2 && s.Deferred == 1 })
	store(t, box, "workflux", "good", 5, 1)

	all := list(t, source, page.Query{Limit: 10})
	require.Equal(t, []string{"workflux-good-5", "greenflash-unknown-4", "greenflash-good-3", "greenflash-good-2", "greenflash-bad-1", "greenflash-bad-0"}, deliveries(all))
	var got []string
	for _, i := range all.Items {
		got = append(got, fmt.Sprintf("%s %s %d %s | %s", i.Verdict, i.Tone, len(i.Actions), i.Error, i.Explanation))
	}
	require.Equal(t, []string{
		"pending idle 0  | The delivery is stored, and runs soon.",
		"deferred warn 1  | No handler has a callback for this type. The delivery runs as soon as one has.",
		"done good 1  | The callback handled the delivery.",
		"done good 1  | The callback handled the delivery.",
		"dead_lettered bad 3 the CRM is down | All 2 attempts failed. The service does not try again. Fix the cause and retry the delivery, or discard it.",
		"dead_lettered bad 3 the CRM is down | All 2 attempts failed. The service does not try again. Fix the cause and retry the delivery, or discard it.",
	}, got)
	require.Equal(t, []string{"greenflash-bad-1"}, deliveries(list(t, source, page.Query{Verdict: "dead_lettered", Limit: 1})))
	require.Len(t, list(t, source, page.Query{Vendor: "greenflash", Limit: 10}).Items, 5)
	require.Len(t, list(t, source, page.Query{Text: "CRM", Limit: 10}).Items, 2)

	o, err := source.Overview(t.Context())
	require.NoError(t, err)
	require.Equal(t, []page.Count{
		{Name: "dead_lettered", Tone: page.Bad, N: 2}, {Name: "pending", Tone: page.Idle, N: 1}, {Name: "running", Tone: page.Idle},
		{Name: "deferred", Tone: page.Warn, N: 1}, {Name: "done", Tone: page.Good, N: 2},
	}, o.Verdicts)
	require.Equal(t, []page.Count{{Name: "greenflash", N: 5}, {Name: "workflux", N: 1}}, o.Vendors)

	d, err := source.Detail(t.Context(), all.Items[4].ID)
	require.NoError(t, err)
	require.Contains(t, string(d.Body), `"bad"`)
	require.Len(t, d.Body, len(`{"type":"bad"}`))
	require.Len(t, d.Attempts, 2)
	require.Equal(t, []page.Fact{{Name: "Event id", Value: "evt_1"}, {Name: "Signed by", Value: "default"}}, d.Facts)
	require.Empty(t, d.URL, "a stored delivery has no signature, so the page must not offer it as a request")
}

func TestAct_RetriesAndDiscards(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	h := &hook{vendor: "greenflash"}
	store(t, box, "greenflash", "bad", 0, 2)
	run(t, box, h, func(s inbox.Stats) bool { return s.DeadLettered == 2 })
	items := list(t, source, page.Query{Limit: 10}).Items

	message, err := source.Act(t.Context(), items[0].ID, "retry")
	require.NoError(t, err)
	require.Equal(t, "The delivery is pending again. The service runs it soon.", message)
	_, err = source.Act(t.Context(), items[0].ID, "retry")
	require.ErrorIs(t, err, page.ErrNotFound, "the entry is no longer a dead letter")
	_, err = source.Act(t.Context(), items[1].ID, "discard")
	require.NoError(t, err)
	h.fixed.Store(true)
	run(t, box, h, func(s inbox.Stats) bool { return s.Done == 2 })

	handled, err := source.Detail(t.Context(), items[0].ID)
	require.NoError(t, err)
	require.Equal(t, "The callback handled the delivery.", handled.Explanation)
	discarded, err := source.Detail(t.Context(), items[1].ID)
	require.NoError(t, err)
	require.Equal(t, "The delivery was discarded.", discarded.Explanation)
	require.True(t, discarded.Gone)
	require.Empty(t, discarded.Actions)

	_, err = source.Act(t.Context(), items[0].ID, "rerun")
	require.NoError(t, err)
	store(t, box, "greenflash", "unknown", 4, 1)
	run(t, box, h, func(s inbox.Stats) bool { return s.Deferred == 1 })
	waiting := list(t, source, page.Query{Verdict: "deferred", Limit: 10}).Items[0]
	_, err = source.Act(t.Context(), waiting.ID, "discard")
	require.NoError(t, err)
	discarded, err = source.Detail(t.Context(), waiting.ID)
	require.NoError(t, err)
	require.Equal(t, "The delivery was discarded.", discarded.Explanation)
	_, err = source.Act(t.Context(), items[0].ID, "explode")
	require.EqualError(t, err, `unknown action "explode"`)
	_, err = source.Detail(t.Context(), "missing")
	require.ErrorIs(t, err, page.ErrNotFound)
}

func TestList_ContinuesAfterPreviousPage(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	const n = 2300 // more than one read returns
	store(t, box, "greenflash", "good", 0, n/2)
	store(t, box, "workflux", "good", n/2, n/2)
	var got []string
	q := page.Query{Limit: 500}
	for {
		l := list(t, source, q)
		got = append(got, deliveries(l)...)
		if q.Before = l.Next; q.Before == "" {
			break
		}
		require.Len(t, l.Items, 500)
	}
	require.Len(t, got, n)
	require.Equal(t, "workflux-good-2299", got[0])
	require.Equal(t, "greenflash-good-0", got[n-1])
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(got))), n, "each delivery is listed once")
	_, err := source.List(t.Context(), page.Query{Limit: 10, Before: "nowhere"})
	require.EqualError(t, err, "sqliteinbox: inbox: Query.Cursor must be empty, or the Next of a Page of this inbox")
}

func TestList_IncludesSimultaneousDeliveries(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	for _, vendor := range []string{"greenflash", "workflux", "emberqa"} {
		store(t, box, vendor, "good", 0, 1)
	}
	var got []string
	q := page.Query{Limit: 1}
	for range 3 {
		l := list(t, source, q)
		got = append(got, deliveries(l)...)
		q.Before = l.Next
	}
	require.ElementsMatch(t, []string{"greenflash-good-0", "workflux-good-0", "emberqa-good-0"}, got)
	require.Empty(t, q.Before)
}

func TestWatch_ReportsOtherProcessChanges(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	changes := source.Watch(ctx)
	next := func() {
		t.Helper()
		_, ok := <-changes
		require.True(t, ok, "no change was reported for a minute")
	}
	next() // the first read
	store(t, box, "greenflash", "bad", 0, 1)
	next()
	h := &hook{vendor: "greenflash"}
	run(t, box, h, func(s inbox.Stats) bool { return s.DeadLettered == 1 })
	next()
	cancel()
	for range changes { // until the channel is closed
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	box, err := sqliteinbox.Open(filepath.Join(dir, "inbox.db"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	overview, err := inboxsource.New(box, "inbox.db").Overview(context.Background())
	fmt.Println(overview.Title, overview.Verdicts[0].Name, overview.Verdicts[0].N, err)
	// Output: inbox.db dead_lettered 0 <nil>
}
