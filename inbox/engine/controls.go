package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// Records is where an engine keeps what operators set: a few small values, which all processes share. Keys are short and
// have only printable ASCII characters. The methods must be safe for concurrent use.
type Records interface {
	// PutRecord stores a value, and replaces an earlier one of the same key.
	PutRecord(ctx context.Context, key string, value []byte) error

	// DeleteRecord deletes a value, and reports whether it existed.
	DeleteRecord(ctx context.Context, key string) (bool, error)

	// ListRecords returns the values whose keys begin with prefix.
	ListRecords(ctx context.Context, prefix string) (map[string][]byte, error)
}

// Controls implements the pauses and the audit of [inbox.Operator], for every engine, on its [Records]. [Runs] has a
// pointer to it.
type Controls struct {
	records Records
	audited atomic.Int64 // how many operations this process has audited
}

// NewControls returns the controls of an inbox.
func NewControls(r Records) *Controls { return &Controls{records: r} }

// The prefixes of keys.
const (
	pauseKey = "pause/"
	auditKey = "audit/"
)

// The number of changes that are kept, and how often the older ones are deleted: once in so many.
const (
	maxAudited = 1000
	trimEvery  = 100
)

// keyOf returns the key of a pause. Names of vendors, endpoints and types may have any character, so the key is quoted.
func keyOf(s inbox.Scope) string {
	return pauseKey + fmt.Sprintf("%+q", []string{s.Vendor, s.Endpoint, s.Type})
}

// scopeOf returns the scope in a key of keyOf.
func scopeOf(key string) (s inbox.Scope, ok bool) {
	rest := strings.TrimPrefix(key, pauseKey+"[")
	for _, field := range []*string{&s.Vendor, &s.Endpoint, &s.Type} {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return s, false
		}
		*field, _ = strconv.Unquote(quoted) // never fails
		rest = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	return s, rest == "]"
}

// Pause implements [inbox.Operator].
func (c *Controls) Pause(ctx context.Context, s inbox.Scope) error {
	if s == (inbox.Scope{}) {
		return inbox.ErrEmptyScope
	}
	value, err := json.Marshal(inbox.Pause{Scope: s, Actor: inbox.ActorFromContext(ctx), At: time.Now().UTC()})
	if err != nil {
		return err
	}
	return c.set(ctx, inbox.ActionPause, s, func() error { return c.records.PutRecord(ctx, keyOf(s), value) })
}

// Resume implements [inbox.Operator].
func (c *Controls) Resume(ctx context.Context, s inbox.Scope) error {
	return c.set(ctx, inbox.ActionResume, s, func() error {
		found, err := c.records.DeleteRecord(ctx, keyOf(s))
		if err == nil && !found {
			err = fmt.Errorf("%w: it is not paused", inbox.ErrNotFound)
		}
		return err
	})
}

// set changes the pause of a scope, with a record.
func (c *Controls) set(ctx context.Context, a inbox.Action, s inbox.Scope, do func() error) error {
	f := inbox.Filter{Vendor: s.Vendor, Endpoint: s.Endpoint, Type: s.Type}
	_, err := c.Audited(ctx, a, f, func(begin func() error) (int, error) {
		if err := begin(); err != nil {
			return 0, err
		}
		return 0, do()
	})
	return err
}

// Pauses implements [inbox.Operator]. The scope is that of the key, because JSON changes names that are not valid UTF-8. So a
// pause whose value is damaged still applies, and can be resumed. A damaged key is skipped, because otherwise it would stop
// all callbacks.
func (c *Controls) Pauses(ctx context.Context) ([]inbox.Pause, error) {
	values, err := c.records.ListRecords(ctx, pauseKey)
	if err != nil {
		return nil, err
	}
	pauses := make([]inbox.Pause, 0, len(values))
	for key, value := range values {
		scope, ok := scopeOf(key)
		if !ok {
			continue
		}
		var p inbox.Pause
		if err := json.Unmarshal(value, &p); err != nil {
			p = inbox.Pause{} // without an actor and a time
		}
		p.Scope = scope
		pauses = append(pauses, p)
	}
	slices.SortFunc(pauses, func(a, b inbox.Pause) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(keyOf(a.Scope), keyOf(b.Scope)))
	})
	return pauses, nil
}

// Audit implements [inbox.Operator]. A change that is damaged has only its time, so that the others can be read.
func (c *Controls) Audit(ctx context.Context) ([]inbox.Change, error) {
	values, err := c.records.ListRecords(ctx, auditKey)
	if err != nil {
		return nil, err
	}
	changes := make([]inbox.Change, 0, len(values))
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(values))) {
		var change inbox.Change
		if err := json.Unmarshal(values[key], &change); err != nil {
			at, _, _ := strings.Cut(strings.TrimPrefix(key, auditKey), "-")
			ns, _ := strconv.ParseInt(at, 10, 64) // zero if the key is damaged too
			change = inbox.Change{At: time.Unix(0, ns).UTC()}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// Audited checks the filter, does an operation, and records it. do calls begin before its first change, which writes the
// record; if that fails, do must change nothing and return the error. Afterwards the record gets the number of changed entries. An
// operation that changed nothing leaves no record. One that failed keeps it, because the engine may have made a change that
// it could not confirm.
func (c *Controls) Audited(ctx context.Context, a inbox.Action, f inbox.Filter, do func(begin func() error) (int, error)) (int, error) {
	isPause := a == inbox.ActionPause || a == inbox.ActionResume
	if err := CheckFilter(f); err != nil && !isPause {
		return 0, err
	}
	change := inbox.Change{Actor: inbox.ActorFromContext(ctx), Action: a, Filter: f}
	var key string
	put := func(ctx context.Context) error {
		value, err := json.Marshal(change)
		if err == nil {
			err = c.records.PutRecord(ctx, key, value)
		}
		if err != nil {
			return fmt.Errorf("inbox: the audit record of %s cannot be written: %w", a, err)
		}
		return nil
	}
	number := c.audited.Add(1)
	recorded := false
	n, err := do(sync.OnceValue(func() error {
		change.At = time.Now().UTC()
		key = fmt.Sprintf("%s%020d-%010d-%s", auditKey, change.At.UnixNano(), number, rand.Text()[:8]) // in order, and unique
		err := put(ctx)
		recorded = err == nil
		if a == inbox.ActionDiscard && errors.Is(err, webhook.ErrInboxFull) {
			return nil // it makes space, also for the record
		}
		return err
	}))
	if key == "" {
		return n, err
	}
	// The operation has happened even if ctx has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	switch change.Entries = n; {
	case n > 0:
		_ = put(ctx) // the first record stays
	case !recorded, errors.Is(err, inbox.ErrNotFound), err == nil && !isPause:
		_, _ = c.records.DeleteRecord(ctx, key) // nothing has changed
	}
	if number%trimEvery == 1 {
		c.trim(ctx)
	}
	return n, err
}

const auditTimeout = 5 * time.Second

// trim deletes the oldest changes. If that fails, a later operation does it.
func (c *Controls) trim(ctx context.Context) {
	values, err := c.records.ListRecords(ctx, auditKey)
	if err != nil || len(values) <= maxAudited {
		return
	}
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys[:len(keys)-maxAudited] {
		if _, err := c.records.DeleteRecord(ctx, key); err != nil {
			return
		}
	}
}
