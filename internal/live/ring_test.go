package live_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
)

func ids(items []page.Item) []string {
	var all []string
	for _, i := range items {
		all = append(all, i.ID)
	}
	return all
}

func list(t *testing.T, r *live.Ring, q page.Query) page.List {
	t.Helper()
	l, err := r.List(t.Context(), q)
	require.NoError(t, err)
	return l
}

func TestRing_ListsNewestAndDropsOldest(t *testing.T) {
	r := live.New(live.Options{Keep: 3})
	for range 5 {
		r.Add(page.Detail{})
	}
	require.Equal(t, []string{"5", "4", "3"}, ids(list(t, r, page.Query{Limit: 10}).Items))
	_, err := r.Detail(t.Context(), "2")
	require.ErrorIs(t, err, page.ErrNotFound)
}

func TestRing_LimitsBodyBytes(t *testing.T) {
	r := live.New(live.Options{Bytes: 100})
	for range 4 {
		r.Add(page.Detail{Body: make([]byte, 40)})
	}
	require.Equal(t, []string{"4", "3"}, ids(list(t, r, page.Query{Limit: 10}).Items))
	r.Add(page.Detail{Body: make([]byte, 500)})
	require.Equal(t, []string{"5"}, ids(list(t, r, page.Query{Limit: 10}).Items))
	r.Add(page.Detail{Body: make([]byte, 40)})
	require.Equal(t, []string{"6"}, ids(list(t, r, page.Query{Limit: 10}).Items), "removed bodies must not count")
	r.Add(page.Detail{Body: make([]byte, 40)})
	require.Equal(t, []string{"7", "6"}, ids(list(t, r, page.Query{Limit: 10}).Items))
}

func TestRing_ContinuesAfterPreviousPage(t *testing.T) {
	r := live.New(live.Options{})
	for i := range 10 {
		r.Add(page.Detail{Item: page.Item{Vendor: []string{"even", "odd"}[i%2]}})
	}
	first := list(t, r, page.Query{Vendor: "even", Limit: 3})
	require.Equal(t, []string{"9", "7", "5"}, ids(first.Items))
	r.Add(page.Detail{Item: page.Item{Vendor: "even"}}) // does not change the next page
	second := list(t, r, page.Query{Vendor: "even", Limit: 3, Before: first.Next})
	require.Equal(t, []string{"3", "1"}, ids(second.Items))
	require.Empty(t, second.Next)
	require.Empty(t, list(t, r, page.Query{Limit: 3, Before: "gone"}).Items)
}

func TestRing_FiltersList(t *testing.T) {
	r := live.New(live.Options{})
	r.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Verdict: "failed", Error: "the Pager is down"}})
	r.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Verdict: "handled", Type: "message.rated"}})
	r.Add(page.Detail{Item: page.Item{Vendor: "workflux", Verdict: "handled"}})
	for want, q := range map[string]page.Query{
		"1": {Text: "pager"}, "2": {Text: "RATED"}, "3": {Vendor: "workflux", Verdict: "handled"}, "": {Vendor: "workflux", Verdict: "failed"},
	} {
		q.Limit = 10
		require.Equal(t, want, strings.Join(ids(list(t, r, q).Items), ","), "%+v", q)
	}
	o, err := r.Overview(t.Context())
	require.NoError(t, err)
	require.Equal(t, []page.Count{{Name: "failed", N: 1}, {Name: "handled", N: 2}}, o.Verdicts)
	require.Equal(t, []page.Count{{Name: "greenflash", N: 2}, {Name: "workflux", N: 1}}, o.Vendors)
}

func TestRing_NotifiesWatchersOncePerBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := live.New(live.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		changes := r.Watch(ctx)
		for range 1000 {
			r.Add(page.Detail{})
		}
		<-changes
		require.Empty(t, changes)
		require.True(t, r.Update("1000", func(d *page.Detail) { d.Verdict = "handled" }))
		<-changes
		cancel()
		synctest.Wait()
		_, open := <-changes
		require.False(t, open)
		r.Add(page.Detail{}) // must not send on the closed channel
	})
}

func TestRing_KeepsEarlierDetailsUnchanged(t *testing.T) {
	r := live.New(live.Options{})
	id := r.Add(page.Detail{Item: page.Item{Verdict: "in_flight"}})
	before, err := r.Detail(t.Context(), id)
	require.NoError(t, err)
	require.True(t, r.Update(id, func(d *page.Detail) { d.Verdict = "handled" }))
	after, err := r.Detail(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "in_flight handled", before.Verdict+" "+after.Verdict)
	require.False(t, r.Update("gone", func(*page.Detail) { t.Error("called") }))
}

func TestRing_CallsReplayFunction(t *testing.T) {
	r := live.New(live.Options{Replay: func(_ context.Context, d page.Detail) (string, error) {
		if d.Verdict == "rejected" {
			return "", errors.New("nothing listens")
		}
		return "sent " + string(d.Body), nil
	}})
	id := r.Add(page.Detail{Body: []byte("{}")})
	d, err := r.Detail(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []page.Action{{Name: "replay", Label: "Replay"}}, d.Actions)
	said, err := r.Act(t.Context(), id, "replay")
	require.NoError(t, err)
	require.Equal(t, "sent {}", said)
	_, err = r.Act(t.Context(), id, "discard")
	require.EqualError(t, err, `the action "discard" is not available for this delivery`)
	_, err = r.Act(t.Context(), "gone", "replay")
	require.ErrorIs(t, err, page.ErrNotFound)
	_, err = r.Act(t.Context(), r.Add(page.Detail{Item: page.Item{Verdict: "rejected"}}), "replay")
	require.EqualError(t, err, "nothing listens")
	own := r.Add(page.Detail{Item: page.Item{Actions: []page.Action{{Name: "sign-refused"}}}})
	_, err = r.Act(t.Context(), own, "replay")
	require.EqualError(t, err, `the action "replay" is not available for this delivery`)
	_, err = r.Act(t.Context(), own, "sign-refused")
	require.NoError(t, err)
	_, err = live.New(live.Options{}).Act(t.Context(), id, "replay")
	require.ErrorIs(t, err, page.ErrNotFound)
}

func TestRing_IsSafeForConcurrentUse(t *testing.T) {
	r := live.New(live.Options{Keep: 50})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			changes := r.Watch(ctx)
			for i := range 200 {
				r.Update(r.Add(page.Detail{Item: page.Item{Vendor: strconv.Itoa(i % 3)}}), func(d *page.Detail) { d.Verdict = "handled" })
				l, err := r.List(ctx, page.Query{Limit: 20})
				if err != nil || len(l.Items) == 0 {
					t.Errorf("%v, %d items", err, len(l.Items))
				}
				select {
				case <-changes:
				default:
				}
			}
		})
	}
	all.Wait()
	require.Len(t, list(t, r, page.Query{Limit: 1000}).Items, 50)
}

func Example() {
	ring := live.New(live.Options{Title: "http://127.0.0.1:8787"})
	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Type: "message.rated", Verdict: "handled", Tone: page.Good}, Body: []byte("{}")})
	list, err := ring.List(context.Background(), page.Query{Limit: 10})
	fmt.Println(list.Items[0].Vendor, list.Items[0].Verdict, err)
	// Output: greenflash handled <nil>
}
