package inboxsource_test

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

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/inboxsource"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

func TestEntriesOfAllStatesAreListedTheNewestFirst(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	h := &hook{vendor: "greenflash"}
	store(t, box, "greenflash", "bad", 0, 2)
	store(t, box, "greenflash", "good", 2, 2)
	store(t, box, "greenflash", "unknown", 4, 1)
	run(t, box, h, func(s sqlite.Stats) bool { return s.Dead == 2 && s.Done == 2 && s.Waiting == 1 })
	store(t, box, "workflux", "good", 5, 1)

	all := list(t, source, page.Query{Limit: 10})
	require.Equal(t, []string{"workflux-good-5", "greenflash-unknown-4", "greenflash-good-3", "greenflash-good-2", "greenflash-bad-1", "greenflash-bad-0"}, deliveries(all))
	var seen []string
	for _, i := range all.Items {
		seen = append(seen, fmt.Sprintf("%s %s %d %s | %s", i.Verdict, i.Tone, len(i.Actions), i.Error, i.Explanation))
	}
	require.Equal(t, []string{
		"pending idle 0  | Stored, and waiting for its turn.",
		"waiting warn 1  | No handler has a callback for this type. It is run as soon as one does.",
		"done good 1  | Its callback has handled it.",
		"done good 1  | Its callback has handled it.",
		"dead bad 3 the CRM is away | All 2 attempts failed. It is not tried again by itself: retry it once the cause is mended, or discard it.",
		"dead bad 3 the CRM is away | All 2 attempts failed. It is not tried again by itself: retry it once the cause is mended, or discard it.",
	}, seen)
	require.Equal(t, []string{"greenflash-bad-1"}, deliveries(list(t, source, page.Query{Verdict: "dead", Limit: 1})))
	require.Len(t, list(t, source, page.Query{Vendor: "greenflash", Limit: 10}).Items, 5)
	require.Len(t, list(t, source, page.Query{Text: "CRM", Limit: 10}).Items, 2)

	o, err := source.Overview(t.Context())
	require.NoError(t, err)
	require.Equal(t, []page.Count{
		{Name: "dead", Tone: page.Bad, N: 2}, {Name: "pending", Tone: page.Idle, N: 1}, {Name: "running", Tone: page.Idle},
		{Name: "waiting", Tone: page.Warn, N: 1}, {Name: "done", Tone: page.Good, N: 2},
	}, o.Verdicts)
	require.Equal(t, []page.Count{{Name: "greenflash", N: 5}, {Name: "workflux", N: 1}}, o.Vendors)

	d, err := source.Detail(t.Context(), all.Items[4].ID)
	require.NoError(t, err)
	require.Contains(t, string(d.Body), `"bad"`)
	require.Len(t, d.Body, len(`{"type":"bad"}`))
	require.Len(t, d.Attempts, 2)
	require.Equal(t, []page.Fact{{Name: "Event id", Value: "evt_1"}, {Name: "Signed by", Value: "default"}}, d.Facts)
	require.Empty(t, d.URL, "what is stored has no signature, and is not to be copied as a request")
}

func TestDeadEntriesAreRetriedAndDiscarded(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	h := &hook{vendor: "greenflash"}
	store(t, box, "greenflash", "bad", 0, 2)
	run(t, box, h, func(s sqlite.Stats) bool { return s.Dead == 2 })
	items := list(t, source, page.Query{Limit: 10}).Items

	said, err := source.Act(t.Context(), items[0].ID, "retry")
	require.NoError(t, err)
	require.Equal(t, "It is pending again: the service runs it next.", said)
	_, err = source.Act(t.Context(), items[0].ID, "retry")
	require.ErrorIs(t, err, page.ErrNotFound, "it is dead no more")
	_, err = source.Act(t.Context(), items[1].ID, "discard")
	require.NoError(t, err)
	h.mended.Store(true)
	run(t, box, h, func(s sqlite.Stats) bool { return s.Done == 2 })

	handled, err := source.Detail(t.Context(), items[0].ID)
	require.NoError(t, err)
	require.Equal(t, "Its callback has handled it.", handled.Explanation)
	discarded, err := source.Detail(t.Context(), items[1].ID)
	require.NoError(t, err)
	require.Equal(t, "It was discarded.", discarded.Explanation)
	require.True(t, discarded.Gone)
	require.Empty(t, discarded.Actions)

	_, err = source.Act(t.Context(), items[0].ID, "rerun")
	require.NoError(t, err)
	store(t, box, "greenflash", "unknown", 4, 1)
	run(t, box, h, func(s sqlite.Stats) bool { return s.Waiting == 1 })
	waiting := list(t, source, page.Query{Verdict: "waiting", Limit: 10}).Items[0]
	_, err = source.Act(t.Context(), waiting.ID, "discard")
	require.NoError(t, err)
	discarded, err = source.Detail(t.Context(), waiting.ID)
	require.NoError(t, err)
	require.Equal(t, "It was discarded.", discarded.Explanation)
	_, err = source.Act(t.Context(), items[0].ID, "explode")
	require.EqualError(t, err, `an entry cannot be told to "explode"`)
	_, err = source.Detail(t.Context(), "nobody")
	require.ErrorIs(t, err, page.ErrNotFound)
}

func TestAListGoesOnWhereTheOneBeforeEnded(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	const n = 2300 // more than are read at once
	store(t, box, "greenflash", "good", 0, n/2)
	store(t, box, "workflux", "good", n/2, n/2)
	var seen []string
	q := page.Query{Limit: 500}
	for {
		l := list(t, source, q)
		seen = append(seen, deliveries(l)...)
		if q.Before = l.Next; q.Before == "" {
			break
		}
		require.Len(t, l.Items, 500)
	}
	require.Len(t, seen, n)
	require.Equal(t, "workflux-good-2299", seen[0])
	require.Equal(t, "greenflash-good-0", seen[n-1])
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(seen))), n, "each comes once")
	_, err := source.List(t.Context(), page.Query{Limit: 10, Before: "nowhere"})
	require.EqualError(t, err, `"nowhere" is no place in the list`)
}

func TestDeliveriesOfOneMomentAreAllListed(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	for _, vendor := range []string{"greenflash", "workflux", "emberqa"} {
		store(t, box, vendor, "good", 0, 1)
	}
	var seen []string
	q := page.Query{Limit: 1}
	for range 3 {
		l := list(t, source, q)
		seen = append(seen, deliveries(l)...)
		q.Before = l.Next
	}
	require.ElementsMatch(t, []string{"greenflash-good-0", "workflux-good-0", "emberqa-good-0"}, seen)
	require.Empty(t, q.Before)
}

func TestWhatAnotherProcessDoesIsSeen(t *testing.T) {
	box := open(t)
	source := inboxsource.New(box, "inbox.db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	changes := source.Watch(ctx)
	next := func() {
		t.Helper()
		_, ok := <-changes
		require.True(t, ok, "nothing was seen for a minute")
	}
	next() // the first look
	store(t, box, "greenflash", "bad", 0, 1)
	next()
	h := &hook{vendor: "greenflash"}
	run(t, box, h, func(s sqlite.Stats) bool { return s.Dead == 1 })
	next()
	cancel()
	for range changes { // ends
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	box, err := sqlite.Open(filepath.Join(dir, "inbox.db"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	overview, err := inboxsource.New(box, "inbox.db").Overview(context.Background())
	fmt.Println(overview.Title, overview.Verdicts[0].Name, overview.Verdicts[0].N, err)
	// Output: inbox.db dead 0 <nil>
}
