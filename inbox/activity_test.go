package inbox_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A listing is an operator that has only a list, the newest entry first, in pages of two.
type listing struct {
	inbox.Operator

	mu      sync.Mutex
	entries []inbox.Entry
	reads   int
	err     error
}

func (l *listing) List(_ context.Context, q inbox.Query) (inbox.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	from, _ := strconv.Atoi(q.Cursor)
	page := inbox.Page{}
	for i, e := range l.entries[from:] {
		if i == 2 {
			page.Next, page.ReadUntil = strconv.Itoa(from+2), l.entries[from+1].Delivery.ReceivedAt
			break
		}
		if q.Matches(&e) {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, l.err
}

func (l *listing) Stats(context.Context) (inbox.Stats, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return inbox.Stats{Oldest: time.Now(), Counts: inbox.Counts{Pending: len(l.entries)}}, l.err
}

func (l *listing) Pauses(context.Context) ([]inbox.Pause, error) { return nil, nil }

func entryAt(state inbox.State, eventType string, received, since time.Time) inbox.Entry {
	return inbox.Entry{State: state, Delivery: &webhook.Delivery{Vendor: "acme", Type: eventType, ReceivedAt: received}, Since: since}
}

func TestSummarize_CountsStepsAndTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Minute) // the clock of the bubble begins at midnight
		at := func(minutes int) time.Time { return time.Now().Add(-time.Duration(minutes) * time.Minute) }
		never := time.Time{}
		l := &listing{entries: []inbox.Entry{
			entryAt(inbox.Pending, "ping", at(1), never),
			entryAt(inbox.Done, "ping", at(7), at(1)),
			entryAt(inbox.DeadLettered, "pong", at(12), at(11)),
			entryAt(inbox.Done, "ping", at(12), at(6)),
			entryAt(inbox.Deferred, "pong", at(13), never),
			entryAt(inbox.Done, "ping", at(29), at(5)), // before the period
			entryAt(inbox.Pending, "ping", at(30), never),
			entryAt(inbox.Pending, "ping", at(30), never),
			entryAt(inbox.Pending, "ping", at(30), never),
		}}
		a, err := inbox.Summarize(t.Context(), l, 15*time.Minute, 5*time.Minute)
		require.NoError(t, err)
		require.Equal(t, inbox.Activity{
			Since: at(15),
			Steps: []inbox.Step{
				{At: at(15), Arrived: 3, DeadLettered: 1, Waiting: 2},
				{At: at(10), Arrived: 1, Done: 1, Waiting: 2},
				{At: at(5), Arrived: 1, Done: 1, Waiting: 2},
			},
			Types: map[string]inbox.Counts{"acme/ping": {Pending: 1, Done: 2}, "acme/pong": {DeadLettered: 1, Deferred: 1}},
		}, a)
		require.Equal(t, 3, l.reads, "what is older is not read to its end")
		l.err = context.Canceled
		_, err = inbox.Summarize(t.Context(), l, time.Hour, time.Minute)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestSummarize_IsBounded(t *testing.T) {
	now := time.Now()
	l := &listing{entries: make([]inbox.Entry, 20_003)}
	for i := range l.entries {
		l.entries[i] = entryAt(inbox.Pending, "ping", now, time.Time{})
	}
	a, err := inbox.Summarize(t.Context(), l, time.Hour, time.Minute)
	require.NoError(t, err)
	require.True(t, a.Truncated)
	require.Equal(t, 20_000, a.Types["acme/ping"].Pending)
}

func TestSummarize_RefusesEmptyPeriods(t *testing.T) {
	for _, d := range [][2]time.Duration{{0, 1}, {1, 0}, {-1, 1}, {1, -1}} {
		_, err := inbox.Summarize(t.Context(), new(listing), d[0], d[1])
		require.ErrorContains(t, err, "must be positive")
	}
}

func TestCount_CountsAllPages(t *testing.T) {
	l := new(listing)
	for i := range 9 {
		l.entries = append(l.entries, entryAt(inbox.DeadLettered, fmt.Sprint("type ", i%3), time.Unix(int64(-i), 0), time.Time{}))
	}
	n, err := inbox.Count(t.Context(), l, inbox.Filter{Type: "type 1"})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	l.err = context.Canceled
	_, err = inbox.Count(t.Context(), l, inbox.Filter{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWatch_ReportsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listing{entries: []inbox.Entry{entryAt(inbox.Pending, "ping", time.Now(), time.Time{})}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changes := inbox.Watch(ctx, l)
		changed := func() bool {
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			select {
			case <-changes:
				return true
			default:
				return false
			}
		}
		require.True(t, changed(), "the first read")
		require.False(t, changed())
		change := func(f func()) {
			l.mu.Lock()
			defer l.mu.Unlock()
			f()
		}
		change(func() { l.entries[0].State = inbox.Running })
		require.True(t, changed())
		change(func() { l.entries = append(l.entries, l.entries[0]) })
		require.True(t, changed())
		change(func() { l.err = context.DeadlineExceeded })
		require.True(t, changed(), "an error is shown")
		require.False(t, changed())
		cancel()
		synctest.Wait()
		_, open := <-changes
		require.False(t, open)
	})
}
