package inboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// difference describes the first field in which got differs from want, except Attempt. It returns "" if they are equal.
func difference(want, got *webhook.Delivery) string {
	if got == nil {
		return "nothing"
	}
	for _, field := range []struct {
		name      string
		want, got string
	}{
		{"Vendor", want.Vendor, got.Vendor},
		{"Endpoint", want.Endpoint, got.Endpoint},
		{"Type", want.Type, got.Type},
		{"ID", want.ID, got.ID},
		{"EventID", want.EventID, got.EventID},
		{"SignedBy", want.SignedBy, got.SignedBy},
		{"Form", want.Form, got.Form},
		{"Keys", strings.Join(want.Keys, "\n"), strings.Join(got.Keys, "\n")},
		{"Time", textOf(want.Time), textOf(got.Time)},
		{"ReceivedAt", textOf(want.ReceivedAt), textOf(got.ReceivedAt)},
	} {
		if field.want != field.got {
			return fmt.Sprintf("the %s %.80q rather than %.80q", field.name, field.got, field.want)
		}
	}
	if !maps.EqualFunc(want.Header, got.Header, slices.Equal) {
		return fmt.Sprintf("the Header %q rather than %q", got.Header, want.Header)
	}
	if !bytes.Equal(want.Body, got.Body) {
		at := 0
		for at < min(len(want.Body), len(got.Body)) && want.Body[at] == got.Body[at] {
			at++
		}
		return fmt.Sprintf("a Body of %d bytes rather than %d, which differs from byte %d on", len(got.Body), len(want.Body), at)
	}
	return ""
}

// textOf formats a time in UTC, to the nanosecond.
func textOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// errCallback is the error that callbacks fail with.
var errCallback = errors.New("the callback has failed")

// fails returns a callback that returns err.
func fails(err error) callback {
	return func(context.Context, *webhook.Delivery) error { return err }
}

// inTurn returns a callback whose nth call for a delivery behaves as the nth of the callbacks. Later calls behave as the
// last one.
func (c *check) inTurn(callbacks ...callback) callback {
	return func(ctx context.Context, d *webhook.Delivery) error {
		n := c.calls.count(d.ID) // this one included
		return callbacks[min(n, len(callbacks))-1](ctx, d)
	}
}

// deadLetters returns the dead letters that the filter selects.
func (c *check) deadLetters(s *process, f inbox.Filter) []inbox.Entry {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	var list []inbox.Entry
	for e, err := range s.box.DeadLetters(ctx, f) {
		if err != nil {
			c.brokenf("listing the dead letters failed: %v", err)
		}
		if e.Delivery == nil || e.ID == "" {
			c.brokenf("DeadLetters listed an entry without a delivery or an ID: %+v", e)
		}
		list = append(list, e)
	}
	return list
}

// awaitDeadLetters waits until the deliveries are dead letters, and returns them by the deliveries' IDs.
func (c *check) awaitDeadLetters(s *process, ids ...string) map[string]inbox.Entry {
	c.Helper()
	found := make(map[string]inbox.Entry)
	c.awaitf(func() bool {
		for _, e := range c.deadLetters(s, inbox.Filter{All: true}) {
			found[e.Delivery.ID] = e
		}
		return !slices.ContainsFunc(ids, func(id string) bool { return found[id].Delivery == nil })
	}, func() any { return slices.Sorted(maps.Keys(found)) }, "the dead letters had not become %.200q", ids)
	return found
}

// onlyDeadLetters checks that the filter selects exactly the dead letters of those deliveries, in any order.
func (c *check) onlyDeadLetters(s *process, f inbox.Filter, when string, ids ...string) {
	c.Helper()
	got := deliveryIDs(c.deadLetters(s, f))
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		c.brokenf("%s, the dead letters were %q rather than %q", when, got, ids)
	}
}

func deliveryIDs(list []inbox.Entry) []string {
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.Delivery.ID
	}
	return ids
}

// An attempt is the expected outcome of an attempt, whether it counted, and a part of its error's text.
type attempt struct {
	outcome webhook.Outcome
	counted bool
	text    string
}

// history checks the attempts of a dead letter, and the fields that every dead letter has.
func (c *check) history(e inbox.Entry, want ...attempt) {
	c.Helper()
	if e.State != inbox.DeadLettered || e.Since.IsZero() || !e.Due.IsZero() {
		c.brokenf("the dead letter %q was listed as %s, since %v and due %v", e.Delivery.ID, e.State, e.Since, e.Due)
	}
	var got []string
	for _, a := range e.Attempts {
		got = append(got, fmt.Sprintf("{%s counted=%t %.60q}", a.Outcome, a.Counted, a.Error))
	}
	ok := len(e.Attempts) == len(want)
	for i := 0; ok && i < len(want); i++ {
		a := e.Attempts[i]
		ok = a.Outcome == want[i].outcome && a.Counted == want[i].counted && strings.Contains(a.Error, want[i].text) && !a.At.IsZero() && a.Took >= 0
		if i > 0 && a.At.Before(e.Attempts[i-1].At) {
			ok = false
		}
	}
	if !ok {
		c.brokenf("the stored attempts of %q were %s rather than %v", e.Delivery.ID, got, want)
	}
}

func (a attempt) String() string {
	return fmt.Sprintf("{%s counted=%t %q}", a.outcome, a.counted, a.text)
}
