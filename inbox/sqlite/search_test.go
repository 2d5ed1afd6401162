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

// searchAll runs a search to its end. It returns the deliveries' IDs, and how many entries each call read.
func searchAll(t *testing.T, box *sqliteinbox.Inbox, s sqliteinbox.Search) (ids []string, read []int) {
	t.Helper()
	match := s.Match
	for {
		n := 0
		s.Match = func(e *inbox.Entry) bool {
			n++
			return match == nil || match(e)
		}
		page, err := box.Search(t.Context(), s)
		require.NoError(t, err)
		ids, read = append(ids, namesOf(page.Entries)...), append(read, n)
		if s.Before = page.Next; page.Next == "" {
			return ids, read
		}
	}
}

func TestSearch_ReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 450)...)
	none := func(*inbox.Entry) bool { return false }
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
		ids, read := searchAll(t, box, sqliteinbox.Search{Match: none, MaxRead: 100})
		require.Empty(t, ids, name)
		total := 0
		for _, n := range read {
			require.LessOrEqual(t, n, 100, name)
			total += n
		}
		require.Equal(t, entries, total, name)
		require.LessOrEqual(t, len(read), entries/100+1, name)
	}
}

func TestSearch_FindsNewestFirst(t *testing.T) {
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
	nine := func(e *inbox.Entry) bool { return strings.HasSuffix(e.Delivery.ID, "9") }
	for _, s := range []sqliteinbox.Search{{}, {Limit: 7}, {Limit: 450}, {MaxRead: 30}, {MaxRead: 7, Limit: 3}, {Limit: 1}} {
		ids, _ := searchAll(t, box, s)
		require.Equal(t, want, ids, "%+v", s)
		matching := s
		matching.Match = nine
		ids, _ = searchAll(t, box, matching)
		require.Equal(t, slices.DeleteFunc(slices.Clone(want), func(id string) bool { return id[3] != '9' }), ids, "%+v", s)
		s.State = inbox.DeadLettered
		ids, read := searchAll(t, box, s)
		require.Equal(t, few, ids, "%+v", s)
		if s.MaxRead == 30 {
			require.Equal(t, []int{5}, read, "a state with few entries is read by its index")
		}
		s.State = inbox.Pending // many entries
		ids, _ = searchAll(t, box, s)
		require.Len(t, ids, 445, "%+v", s)
		s.State = inbox.Deferred
		ids, _ = searchAll(t, box, s)
		require.Empty(t, ids)
	}
}

func TestSearch_ReadsNoBodies(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 6)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = id - 1`)
	mustExec(t, openRaw(t, path), `ALTER TABLE aihooks_inbox_body RENAME TO moved`) // a query of the body fails
	page, err := box.Search(t.Context(), sqliteinbox.Search{})
	require.NoError(t, err)
	require.Len(t, page.Entries, 6)
	for _, e := range page.Entries {
		require.Empty(t, e.Delivery.Body)
		require.Equal(t, e.Delivery.ID == "0005", e.Delivery.Body == nil, "purged")
	}
}

func TestSearch_ReportsHowFarItRead(t *testing.T) {
	t.Parallel()
	box := openBox(t, pathOf(t), forever)
	list := pings("", 10)
	for i, d := range list {
		d.ReceivedAt = time.Unix(int64(i), 0).UTC()
	}
	store(t, box, list...)
	page, err := box.Search(t.Context(), sqliteinbox.Search{MaxRead: 4, Match: func(*inbox.Entry) bool { return false }})
	require.NoError(t, err)
	require.Equal(t, list[6].ReceivedAt, page.ReadUntil)
	for _, s := range []sqliteinbox.Search{{}, {MaxRead: 4, Limit: 2}} {
		page, err = box.Search(t.Context(), s)
		require.NoError(t, err)
		require.Zero(t, page.ReadUntil, "%+v", s)
	}
}

func TestSearch_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	box := openBox(t, pathOf(t), forever)
	for text, s := range map[string]sqliteinbox.Search{
		`sqliteinbox: Search.Before ("x") must be empty or the Next of a Page`:           {Before: "x"},
		`sqliteinbox: Search.State ("gone") must be empty or a State of package inbox`:   {State: "gone"},
		`sqliteinbox: Search.Limit (-1) and Search.MaxRead (10000) must not be negative`: {Limit: -1},
		`sqliteinbox: Search.Limit (100) and Search.MaxRead (-1) must not be negative`:   {MaxRead: -1},
	} {
		_, err := box.Search(t.Context(), s)
		require.EqualError(t, err, text)
	}
}
