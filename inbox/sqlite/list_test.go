package sqliteinbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// listAll reads all pages of a query. It returns the deliveries' IDs, and the number of pages.
func listAll(t *testing.T, box *sqliteinbox.Inbox, q inbox.Query) (ids []string, pages int) {
	t.Helper()
	for {
		page, err := box.List(t.Context(), q)
		require.NoError(t, err)
		ids = append(ids, namesOf(page.Entries)...)
		pages++
		if q.Cursor = page.Next; page.Next == "" {
			return ids, pages
		}
	}
}

func TestList_ReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	box.ListAtMost(100)
	store(t, box, pings("", 450)...)
	for name, update := range map[string]string{
		"received in order":      `UPDATE aihooks_inbox SET received_at = id * 1000000000`,
		"received at one time":   `UPDATE aihooks_inbox SET received_at = 1`,
		"received years apart":   `UPDATE aihooks_inbox SET received_at = id * 10000000000000000`,
		"every state":            `UPDATE aihooks_inbox SET state = id % 6`,
		"after a clock set back": `UPDATE aihooks_inbox SET received_at = -id`,
		"with gaps":              `DELETE FROM aihooks_inbox WHERE id % 3 = 0`,
	} {
		mustExec(t, openRaw(t, path), update)
		entries := queryValue[int](t, openRaw(t, path), `SELECT count(*) FROM aihooks_inbox`)
		ids, pages := listAll(t, box, inbox.Query{Filter: inbox.Filter{Text: "no such text"}})
		require.Empty(t, ids, name)
		require.Equal(t, entries/100+1, pages, name)
		ids, _ = listAll(t, box, inbox.Query{Limit: 7})
		require.Len(t, ids, entries, name)
		slices.Sort(ids)
		require.Len(t, slices.Compact(ids), entries, name)
	}
}

func TestList_HasNewestFirst(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 450)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3 WHERE id % 100 = 7`) // few entries
	var want []string
	for i := range 450 {
		want = append([]string{fmt.Sprintf("%04d", i)}, want...)
	}
	few := []string{"0406", "0306", "0206", "0106", "0006"}
	for _, q := range []struct{ limit, atMost int }{{0, 10_000}, {7, 10_000}, {450, 10_000}, {0, 30}, {3, 7}, {1, 10_000}} {
		box.ListAtMost(q.atMost)
		ids, _ := listAll(t, box, inbox.Query{Limit: q.limit})
		require.Equal(t, want, ids, "%+v", q)
		ids, _ = listAll(t, box, inbox.Query{Limit: q.limit, Filter: inbox.Filter{Text: "39"}})
		require.Equal(t, slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !strings.Contains(id, "39") }), ids, "%+v", q)
		ids, pages := listAll(t, box, inbox.Query{Limit: q.limit, Filter: inbox.Filter{State: inbox.DeadLettered}})
		require.Equal(t, few, ids, "%+v", q)
		if q.atMost == 30 {
			require.Equal(t, 1, pages, "a state with few entries is read by its index")
		}
		ids, _ = listAll(t, box, inbox.Query{Limit: q.limit, Filter: inbox.Filter{State: inbox.Pending}}) // many entries
		require.Len(t, ids, 445, "%+v", q)
		ids, _ = listAll(t, box, inbox.Query{Limit: q.limit, Filter: inbox.Filter{State: inbox.Deferred}})
		require.Empty(t, ids)
	}
}

func TestList_ReadsNoBodies(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 6)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = id - 1`)
	mustExec(t, openRaw(t, path), `ALTER TABLE aihooks_inbox_body RENAME TO moved`) // a query of the body fails
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.Len(t, page.Entries, 6)
	for _, e := range page.Entries {
		require.Empty(t, e.Delivery.Body)
		require.Equal(t, e.Delivery.ID == "0005", e.Delivery.Body == nil, "purged")
	}
}

func TestList_ReportsHowFarItRead(t *testing.T) {
	t.Parallel()
	box := openBox(t, pathOf(t), forever)
	list := pings("", 10)
	for i, d := range list {
		d.ReceivedAt = time.Unix(int64(i), 0).UTC()
	}
	store(t, box, list...)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.Zero(t, page.ReadUntil)
	box.ListAtMost(4)
	page, err = box.List(t.Context(), inbox.Query{Filter: inbox.Filter{Text: "no such text"}})
	require.NoError(t, err)
	require.Equal(t, list[6].ReceivedAt, page.ReadUntil)
	page, err = box.List(t.Context(), inbox.Query{Limit: 2})
	require.NoError(t, err)
	require.Zero(t, page.ReadUntil)
}

func TestList_RefusesInvalidQueries(t *testing.T) {
	t.Parallel()
	box := openBox(t, pathOf(t), forever)
	for text, q := range map[string]inbox.Query{
		`sqliteinbox: inbox: Query.Cursor must be empty, or the Next of a Page of this inbox`: {Cursor: "x"},
		`sqliteinbox: inbox: Filter.State ("gone") must be empty or a State of package inbox`: {Filter: inbox.Filter{State: "gone"}},
		`sqliteinbox: inbox: Query.Limit (-1) must be from 0 to 1000`:                         {Limit: -1},
		`sqliteinbox: inbox: Query.Limit (1001) must be from 0 to 1000`:                       {Limit: 1001},
	} {
		_, err := box.List(t.Context(), q)
		require.EqualError(t, err, text)
	}
}
