package sqliteinbox_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// forever are the options of an inbox that purges no entry, however old.
var forever = sqliteinbox.Options{Retention: sqliteinbox.Forever, BodyRetention: sqliteinbox.Forever, DeadLetterRetention: sqliteinbox.Forever}

// boxWithEntries returns an inbox with n entries in each state, for one endpoint that no Run has. The ith entry entered
// its state i milliseconds before the first.
func boxWithEntries(t *testing.T, n int) *sqliteinbox.Inbox {
	t.Helper()
	path := pathOf(t)
	box := openBox(t, path, forever)
	for code, state := range []string{"pending", "running", "deferred", "dead", "done", "spent", "suspect"} {
		storeAtOnce(t, box, pings(state, n)...)
		mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = ?1, due_at = 1000000000000 - substr(delivery_id, -4) WHERE delivery_id LIKE ?2`,
			code, state+"%")
	}
	return box
}

func TestEntries_ContinuePastOnePage(t *testing.T) {
	t.Parallel()
	const n = 110 // a page is a hundred
	box := boxWithEntries(t, n)
	for state, prefixes := range map[inbox.State][]string{
		inbox.Pending: {"pending", "suspect"}, inbox.Running: {"running"}, inbox.Deferred: {"deferred"}, inbox.DeadLettered: {"dead"}, inbox.Done: {"done", "spent"},
	} {
		var want []string
		for _, prefix := range prefixes {
			for i := range n {
				want = append(want, fmt.Sprintf("%s%04d", prefix, n-1-i)) // the oldest first
			}
		}
		got := listed(t, box, state, all)
		require.Equal(t, want, namesOf(got), state)
		for i := range got {
			require.Equal(t, state, got[i].State)
			require.Equal(t, got[i].Since.IsZero(), state != inbox.DeadLettered && state != inbox.Done)
			require.Equal(t, got[i].Due.IsZero(), state != inbox.Pending && state != inbox.Running)
		}
	}
	var dead []inbox.Entry
	for e, err := range box.DeadLetters(t.Context(), all) {
		require.NoError(t, err)
		require.NotEmpty(t, e.Delivery.Body)
		e.Delivery.Body = []byte{}
		dead = append(dead, e)
	}
	require.Equal(t, listed(t, box, inbox.DeadLettered, all), dead)
	n2 := 0
	for range box.DeadLetters(t.Context(), all) {
		if n2++; n2 == 105 {
			break
		}
	}
	require.Equal(t, 105, n2, "the caller stopped early")
	for _, err := range box.Entries(t.Context(), inbox.Done, inbox.Filter{}) {
		require.ErrorIs(t, err, inbox.ErrEmptyFilter)
	}
}

func TestEntries_ListAllWithEqualTime(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, forever)
	storeAtOnce(t, box, pings("", 110)...)
	for code := range 6 {
		mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = ?, due_at = 5`, code)
		state := []inbox.State{inbox.Pending, inbox.Running, inbox.Deferred, inbox.DeadLettered, inbox.Done, inbox.Done}[code]
		names := namesOf(listed(t, box, state, all))
		require.Len(t, names, 110)
		slices.Sort(names)
		require.Len(t, slices.Compact(names), 110)
	}
}

func TestFilter_SelectsEntries(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, forever)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var list []*webhook.Delivery
	for i, hook := range [][2]string{
		{"acme", "default"}, {"acme", "eu"}, {"acmeco", "default"}, {"acm", "eu"}, {"zeta", "default"}, {"acme", "default"},
	} {
		d := newDelivery([]string{ping, pong}[i%2], strconv.Itoa(i))
		d.Vendor, d.Endpoint, d.ReceivedAt = hook[0], hook[1], at.Add(time.Duration(i)*time.Hour)
		list = append(list, d)
	}
	store(t, box, list...)
	ids := make(map[string]string)
	for _, e := range listed(t, box, inbox.Pending, all) {
		ids[e.Delivery.ID] = e.ID
	}
	for i, test := range []struct {
		filter inbox.Filter
		want   []string
	}{
		{all, []string{"0", "1", "2", "3", "4", "5"}},
		{inbox.Filter{Vendor: "acme"}, []string{"0", "1", "5"}},
		{inbox.Filter{Endpoint: "eu"}, []string{"1", "3"}},
		{inbox.Filter{Vendor: "acme", Endpoint: "default"}, []string{"0", "5"}},
		{inbox.Filter{Type: pong}, []string{"1", "3", "5"}},
		{inbox.Filter{From: at.Add(time.Hour), Until: at.Add(3 * time.Hour)}, []string{"1", "2"}},
		{inbox.Filter{From: at.Add(time.Hour + time.Nanosecond), Until: at.Add(3*time.Hour + time.Nanosecond)}, []string{"2", "3"}},
		{inbox.Filter{ID: ids["2"]}, []string{"2"}},
		{inbox.Filter{ID: ids["2"], Vendor: "acmeco"}, []string{"2"}},
		{inbox.Filter{ID: ids["2"], Vendor: "acme"}, nil},
		{inbox.Filter{ID: "none"}, nil},
		{inbox.Filter{Vendor: "acme/eu"}, nil},
		{inbox.Filter{Vendor: "%"}, nil},
		{inbox.Filter{Vendor: "acme", All: true}, []string{"0", "1", "5"}},
	} {
		var got []string
		for e, err := range box.Entries(t.Context(), inbox.Pending, test.filter) {
			if err != nil {
				require.ErrorIs(t, err, inbox.ErrNotFound)
				require.NotEmpty(t, test.filter.ID)
				continue
			}
			require.True(t, test.filter.Matches(&e))
			got = append(got, e.Delivery.ID)
		}
		slices.Sort(got)
		require.Equal(t, test.want, got, "case %d: %+v", i, test.filter)
	}
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3`)
	n, err := box.Discard(t.Context(), inbox.Filter{Vendor: "acme", From: at, Until: at.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.Equal(t, 2, n, "Retry selects as Entries does")
	require.Equal(t, []string{"2", "3", "4", "5"}, namesOf(listed(t, box, inbox.DeadLettered, all)))
}

func TestEntry_ReturnsAllFields(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{MaxAttempts: 2}})
	d := newDelivery(ping, "a")
	d.Time, d.SignedBy, d.EventID, d.Form = d.ReceivedAt.Add(-time.Second), "blue", "event", "body"
	d.Header["X-Trace"] = []string{"é", "two"}
	d.Body = []byte("\x00\xff not JSON")
	d.Keys = []string{"first", "second"}
	store(t, box, d)
	id := listed(t, box, inbox.Pending, all)[0].ID
	e, err := box.Entry(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, inbox.Pending, e.State)
	require.Equal(t, d, e.Delivery)
	require.Empty(t, e.Attempts)
	require.WithinDuration(t, time.Now(), e.Due, time.Minute)
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Failed))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
	stop()
	e, err = box.Entry(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, inbox.DeadLettered, e.State)
	require.Equal(t, d, e.Delivery)
	require.Equal(t, "on purpose: failed", e.LastError())
	require.Len(t, e.Attempts, 2)
	for _, a := range e.Attempts {
		require.WithinDuration(t, time.Now(), a.At, time.Minute)
		require.Equal(t, webhook.Failed, a.Outcome)
		require.True(t, a.Counted)
	}
	require.WithinDuration(t, time.Now(), e.Since, time.Minute)
	for _, id := range []string{"", "0", "-1", "999", "a", "1 OR 1=1", "99999999999999999999"} {
		_, err := box.Entry(t.Context(), id)
		require.ErrorIs(t, err, inbox.ErrNotFound, id)
	}
}

func TestStats_CountsByStateAndEndpoint(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, forever)
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Stats{Endpoints: map[string]inbox.Counts{}}, stats)
	id := 0
	for code := range 6 {
		for i := range code + 1 {
			d := newDelivery(ping, fmt.Sprint(code, "-", i))
			if i == 0 {
				d.Endpoint = "eu"
			}
			store(t, box, d)
			id++
			mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = ?, due_at = ? WHERE id = ?`, code, 1000+id, id)
		}
	}
	stats, err = box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Stats{
		Counts: inbox.Counts{Pending: 1, Running: 2, Deferred: 3, DeadLettered: 4, Done: 5 + 6},
		Endpoints: map[string]inbox.Counts{
			"acme/eu":      {Pending: 1, Running: 1, Deferred: 1, DeadLettered: 1, Done: 2},
			"acme/default": {Running: 1, Deferred: 2, DeadLettered: 3, Done: 4 + 5},
		},
		Oldest: time.UnixMilli(1001).UTC(),
	}, stats)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET due_at = ? WHERE state = 0`, time.Now().Add(time.Hour).UnixMilli())
	stats, err = box.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Oldest, "nothing is due")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = box.Stats(ended)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEntries_ReadNoBodies(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, forever)
	store(t, box, pings("", 6)...)
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = id - 1`)
	mustExec(t, openRaw(t, path), `DELETE FROM aihooks_inbox_body WHERE id = 6`)
	mustExec(t, openRaw(t, path), `ALTER TABLE aihooks_inbox_body RENAME COLUMN body TO moved`) // a query of the body fails
	for _, state := range []inbox.State{inbox.Pending, inbox.Running, inbox.Deferred, inbox.DeadLettered, inbox.Done} {
		for _, e := range listed(t, box, state, all) {
			require.Empty(t, e.Delivery.Body)
			require.Equal(t, e.Delivery.ID == "0005", e.Delivery.Body == nil, "purged")
			require.Equal(t, e.Delivery.ID == "0005", e.Delivery.Header == nil, "purged")
		}
	}
}

func TestDead_ReadsOneBodyAtATime(t *testing.T) {
	box, path := boxWithDeadLetters(t, 4)
	raw := openRaw(t, path)
	n := 0
	for e, err := range box.DeadLetters(t.Context(), all) {
		require.NoError(t, err)
		switch n++; n {
		case 1:
			require.Contains(t, string(e.Delivery.Body), "id")
			mustExec(t, raw, `UPDATE aihooks_inbox_body SET body = CAST('changed' AS BLOB)`)
		case 2:
			require.Equal(t, "changed", string(e.Delivery.Body), "the body is read only now")
			mustExec(t, raw, `DELETE FROM aihooks_inbox_body`)
		default:
			require.Nil(t, e.Delivery.Body, "purged meanwhile")
		}
	}
	require.Equal(t, 4, n)
}

func TestEntries_DistinguishEmptyBodyFromPurged(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, forever)
	for i, body := range [][]byte{nil, {}, []byte("{}")} {
		d := newDelivery(ping, strconv.Itoa(i))
		d.Body = body
		store(t, box, d)
	}
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET state = 3`)
	for e, err := range box.DeadLetters(t.Context(), all) {
		require.NoError(t, err)
		require.NotNil(t, e.Delivery.Body)
		one, err := box.Entry(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, one, e)
	}
}
