package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// records are engine.Records in memory. While err is set, every method fails.
type records struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

func newRecords() *records { return &records{values: make(map[string][]byte)} }

func (r *records) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *records) PutRecord(_ context.Context, key string, value []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.values[key] = value
	}
	return r.err
}

func (r *records) DeleteRecord(_ context.Context, key string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, found := r.values[key]
	if r.err == nil {
		delete(r.values, key)
	}
	return found, r.err
}

func (r *records) ListRecords(_ context.Context, prefix string) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := maps.Clone(r.values)
	maps.DeleteFunc(list, func(key string, _ []byte) bool { return !strings.HasPrefix(key, prefix) })
	return list, r.err
}

var errDown = errors.New("the engine is down")

func TestControls_ChangeNothingWithoutRecord(t *testing.T) {
	r := newRecords()
	c := engine.NewControls(r)
	r.fail(errDown)
	_, err := c.Audited(t.Context(), inbox.ActionDiscard, inbox.Filter{All: true}, func(begin func() error) (int, error) {
		err := begin()
		require.ErrorIs(t, err, errDown)
		require.ErrorIs(t, begin(), errDown, "it is tried once")
		return 0, err
	})
	require.ErrorContains(t, err, "the audit record of discard cannot be written")
	require.ErrorIs(t, c.Pause(t.Context(), inbox.Scope{Vendor: "acme"}), errDown)
	r.fail(nil)
	require.Empty(t, r.values)
}

func TestControls_RecordOperationsThatEndEarly(t *testing.T) {
	c := engine.NewControls(newRecords())
	ctx, cancel := context.WithCancel(t.Context())
	n, err := c.Audited(ctx, inbox.ActionRetry, inbox.Filter{All: true}, func(begin func() error) (int, error) {
		require.NoError(t, begin())
		during, err := c.Audit(t.Context())
		require.NoError(t, err)
		require.Len(t, during, 1, "it is recorded before the first change")
		cancel()
		return 3, ctx.Err()
	})
	require.Equal(t, 3, n)
	require.ErrorIs(t, err, context.Canceled)
	audit, err := c.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Equal(t, 3, audit[0].Entries)
}

func TestControls_DiscardGoesOnWhenFull(t *testing.T) {
	r := newRecords()
	c := engine.NewControls(r)
	for _, a := range []inbox.Action{inbox.ActionDiscard, inbox.ActionRetry} {
		r.fail(fmt.Errorf("the account has no space: %w", webhook.ErrInboxFull))
		n, err := c.Audited(t.Context(), a, inbox.Filter{All: true}, func(begin func() error) (int, error) {
			if err := begin(); err != nil {
				return 0, err
			}
			r.fail(nil) // what is discarded makes space
			return 3, nil
		})
		if a != inbox.ActionDiscard {
			require.ErrorIs(t, err, webhook.ErrInboxFull)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	r.fail(nil)
	audit, err := c.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Equal(t, 3, audit[0].Entries)
}

func TestControls_KeepAThousandChanges(t *testing.T) {
	r := newRecords()
	c := engine.NewControls(r)
	for n := range 1101 {
		_, err := c.Audited(t.Context(), inbox.ActionRetry, inbox.Filter{ID: fmt.Sprint(n)}, func(begin func() error) (int, error) { return 1, begin() })
		require.NoError(t, err)
	}
	audit, err := c.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, 1000)
	require.Equal(t, "1100", audit[0].Filter.ID)
}

func TestControls_KeepAnyName(t *testing.T) {
	c := engine.NewControls(newRecords())
	scopes := []inbox.Scope{{Vendor: "a", Endpoint: "b"}, {Vendor: "a/b"}, {Vendor: "a", Type: "b"}, {Type: "\x00\xff \"é\""}}
	for _, s := range scopes {
		require.NoError(t, c.Pause(t.Context(), s))
		require.NoError(t, c.Pause(t.Context(), s), "again")
	}
	pauses, err := c.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, len(scopes))
	for _, s := range scopes {
		require.NoError(t, c.Resume(t.Context(), s))
		require.ErrorIs(t, c.Resume(t.Context(), s), inbox.ErrNotFound)
	}
}

func TestControls_SurviveDamagedRecords(t *testing.T) {
	r := newRecords()
	c := engine.NewControls(r)
	scope := inbox.Scope{Vendor: "acme", Type: "a \"b\" \xff"}
	require.NoError(t, c.Pause(t.Context(), scope))
	pauses, err := c.Pauses(t.Context())
	require.NoError(t, err)
	require.Equal(t, scope, pauses[0].Scope, "JSON cannot keep it")
	for key := range r.values {
		r.values[key] = []byte("{")
	}
	r.values["pause/damaged"] = []byte("{")
	pauses, err = c.Pauses(t.Context())
	require.NoError(t, err)
	require.Equal(t, []inbox.Pause{{Scope: scope}}, pauses, "the scope stays paused")
	require.NoError(t, c.Resume(t.Context(), pauses[0].Scope))
	changes, err := c.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, 2)
	require.Equal(t, inbox.ActionResume, changes[0].Action)
	require.WithinDuration(t, time.Now(), changes[1].At, time.Minute)
	require.Empty(t, changes[1].Action, "it cannot be read")
}

func TestControls_RecordOperationsOfUnknownOutcome(t *testing.T) {
	c := engine.NewControls(newRecords())
	do := func(result error) {
		_, err := c.Audited(t.Context(), inbox.ActionDiscard, inbox.Filter{All: true}, func(begin func() error) (int, error) {
			return 0, errors.Join(begin(), result)
		})
		require.ErrorIs(t, err, result)
	}
	do(nil)
	do(inbox.ErrNotFound)
	audit, err := c.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, audit)
	do(errDown) // the engine may have changed an entry, and not responded
	audit, err = c.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Zero(t, audit[0].Entries)
}

func TestPauses_AreReadBeforeFirstCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		reported := make(chan error, 1000)
		runs := engine.Runs{Controls: engine.NewControls(r), Report: func(err error) { reported <- err }}
		require.NoError(t, runs.Controls.Pause(t.Context(), inbox.Scope{Type: "ping"}))
		r.fail(errDown)
		d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}), acme(handled))
		require.NoError(t, err)
		defer end()
		time.Sleep(time.Minute)
		require.Zero(t, d.Reserve("acme", "default", 1), "the pauses are not known")
		require.ErrorIs(t, <-reported, errDown)
		require.False(t, d.Handlers()[0].Handles("pong"), "a deferred delivery must not be resumed: it may be paused")
		r.fail(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, d.Reserve("acme", "default", 1))
		got := d.Dispatch(t.Context(), delivery("a"), 1)
		require.Equal(t, engine.Defer, got.Disposition)
		require.Equal(t, inbox.Paused, got.Attempt.Outcome)
		require.False(t, got.Attempt.Counted)
		require.False(t, d.Handlers()[0].Handles("ping"))
		require.True(t, d.Handlers()[0].Handles("pong"))

		r.fail(errDown)
		time.Sleep(time.Minute)
		require.False(t, d.Handlers()[0].Handles("ping"), "the last known pauses stay while the engine is down")
		r.fail(nil)
		<-d.Changed()
		require.NoError(t, runs.Controls.Resume(t.Context(), inbox.Scope{Type: "ping"}))
		<-d.Changed()
		require.True(t, d.Handlers()[0].Handles("ping"))
		require.Equal(t, engine.Complete, d.Dispatch(t.Context(), delivery("a"), 1).Disposition)
	})
}

func TestPauses_KeepSuspects(t *testing.T) {
	lost := inbox.Attempt{Outcome: inbox.Lost}
	paused := inbox.Attempt{Outcome: inbox.Paused}
	history := engine.Append(engine.Append(engine.Append(nil, lost), paused), paused)
	require.Equal(t, []inbox.Attempt{lost, paused}, history)
	require.True(t, engine.IsSuspect(history))
	require.False(t, engine.IsSuspect(engine.Append(history, inbox.Attempt{Outcome: webhook.Failed, Counted: true})))
}
