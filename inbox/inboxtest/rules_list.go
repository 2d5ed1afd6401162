package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// listRules are the rules of listing dead letters.
var listRules = []rule{{
	name: "DeadLettersAreListedInOrder",
	text: "DeadLetters lists the oldest dead letter first, in every process, under stable IDs. The caller may stop early.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		r := s.run(h)
		want := []string{"c", "a", "d", "b"}
		for _, id := range want {
			h.sendNew(ping, id)
			c.awaitDeadLetters(s, id)
			time.Sleep(tick) // makes the times differ
		}
		first := c.deadLetters(s, inbox.Filter{All: true})
		if got := deliveryIDs(first); !slices.Equal(got, want) {
			c.brokenf("they became dead letters in the order %q and were listed as %q", want, got)
		}
		for range 3 {
			for _, err := range s.box.DeadLetters(context.Background(), inbox.Filter{All: true}) {
				if err != nil {
					c.brokenf("listing the first failed: %v", err)
				}
				break
			}
		}
		r.stop()
		s.closes()
		again := c.deadLetters(c.open(inbox.Policy{}), inbox.Filter{All: true})
		if got := deliveryIDs(again); !slices.Equal(got, want) {
			c.brokenf("after the inbox was opened again, they were listed as %q", got)
		}
		for i, e := range again {
			if e.ID != first[i].ID {
				c.brokenf("the ID of an entry was %q, then %q", first[i].ID, e.ID)
			}
		}
	},
}, {
	name: "FilterAppliesAllFields",
	text: "A Filter selects the dead letters that match all its fields. From includes its time, Until excludes it.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.fillDeadLetters(s)
		entries := c.awaitDeadLetters(s, ids...)
		for _, f := range append(filters(), inbox.Filter{ID: entries[ids[3]].ID}, inbox.Filter{ID: entries[ids[3]].ID, Vendor: acme}) {
			var want []string
			for _, id := range ids {
				e := entries[id]
				if f.Matches(&e) {
					want = append(want, id)
				}
			}
			c.onlyDeadLetters(s, f, fmt.Sprintf("with the filter %+v", f), want...)
		}
	},
}, {
	name: "FilterWithoutMatches",
	text: "An empty Filter is ErrEmptyFilter. An ID of an entry that does not exist, is no dead letter or does not match the other fields is ErrNotFound. Any other Filter without matches selects nothing. Nothing changes.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a", "b")
		r := s.run(h)
		dead := c.awaitDeadLetters(s, "a", "b")
		r.stop()
		c.operate(s, s.box.Discard, inbox.Filter{ID: dead["b"].ID}, 1, "discarding one")
		for what, f := range map[string]inbox.Filter{
			"an unknown ID":                    {ID: unknownID(dead["a"].ID)},
			"an ID that no engine makes":       {ID: "no such entry"},
			"an ID and another vendor":         {ID: dead["a"].ID, Vendor: emca},
			"an ID and another type":           {ID: dead["a"].ID, Type: pong},
			"an ID and a time before":          {ID: dead["a"].ID, Until: time.Unix(1, 0)},
			"an unknown ID and All":            {ID: unknownID(dead["a"].ID), All: true},
			"the ID of one that was discarded": {ID: dead["b"].ID},
		} {
			c.refused(s, f, inbox.ErrNotFound, what)
		}
		c.refused(s, inbox.Filter{}, inbox.ErrEmptyFilter, "an empty Filter")
		unknown := inbox.Filter{Vendor: "unknown"}
		c.operate(s, s.box.Retry, unknown, 0, "retrying those of an unknown vendor")
		c.operate(s, s.box.Rerun, unknown, 0, "rerunning those of an unknown vendor")
		c.operate(s, s.box.Discard, unknown, 0, "discarding those of an unknown vendor")
		c.onlyDeadLetters(s, unknown, "of an unknown vendor")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after operations on none of them", "a")
		s.run(h)
		c.runMarkers(h)
		c.called(1, "after operations on none of them", "a", "b")
	},
}}

// filters returns filters that select by the fields of a delivery.
func filters() []inbox.Filter {
	early, late := sent.Add(time.Hour), sent.Add(2*time.Hour)
	return []inbox.Filter{
		{All: true},
		{Vendor: acme}, {Vendor: emca}, {Endpoint: plain}, {Endpoint: "eu"}, {Type: ping}, {Type: pong},
		{Vendor: acme, Endpoint: "eu"}, {Vendor: emca, Type: pong}, {Vendor: acme, Endpoint: plain, Type: ping},
		{From: early}, {From: late}, {From: early.Add(1)}, {From: late.Add(1)}, {From: late.In(time.FixedZone("", -7*3600))},
		{Until: early}, {Until: late}, {Until: early.Add(1)}, {Until: late.Add(1)},
		{From: early, Until: late}, {From: late, Until: early}, {Vendor: acme, From: late}, {Type: ping, Until: late, All: true},
		{Vendor: "ACME"}, {Vendor: "acm%"}, {Type: "p*ng"}, {Endpoint: "_u"}, {Type: "' OR 1=1 --"},
	}
}

// fillDeadLetters creates dead letters of two vendors, two endpoints, two types and two times of receipt. It returns the
// IDs of the deliveries. No Run is left.
func (c *check) fillDeadLetters(s *process) (ids []string) {
	c.Helper()
	var handlers []*handler
	for _, vendor := range []string{acme, emca} {
		for _, endpoint := range []string{plain, "eu"} {
			permanent := fails(webhook.Permanent(errCallback))
			handlers = append(handlers, s.handler(vendor, endpoint).on(ping, permanent).on(pong, permanent))
			for _, eventType := range []string{ping, pong} {
				for hour := 1; hour <= 2; hour++ {
					id := fmt.Sprintf("%s %s %s %d", vendor, endpoint, eventType, hour)
					d := deliveryOf(vendor, endpoint, eventType, id)
					d.ReceivedAt = sent.Add(time.Duration(hour) * time.Hour)
					s.enqueue(d)
					ids = append(ids, id)
				}
			}
		}
	}
	r := s.run(handlers...)
	c.awaitDeadLetters(s, ids...)
	r.stop()
	return ids
}

// unknownID returns an ID that does not exist, in the format of one that does.
func unknownID(id string) string {
	b := []byte(id)
	for i := range b {
		switch {
		case '0' <= b[i] && b[i] <= '9':
			b[i] = '9' - (b[i] - '0')
		case 'a' <= b[i] && b[i] <= 'f':
			b[i] = 'a' + ('f' - b[i])
		}
	}
	if string(b) == id {
		return id + "0"
	}
	return string(b)
}

// An operation is Retry, Rerun or Discard.
type operation func(context.Context, inbox.Filter) (int, error)

// operate calls an operation, which must change n dead letters.
func (c *check) operate(s *process, do operation, f inbox.Filter, n int, what string) {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	got, err := do(ctx, f)
	if err != nil {
		c.brokenf("%s failed: %v", what, err)
	}
	if got != n {
		c.brokenf("%s returned %d rather than %d; dead letters now are %q", what, got, n, deliveryIDs(c.deadLetters(s, inbox.Filter{All: true})))
	}
}

// refused checks that DeadLetters and every operation return the error want.
func (c *check) refused(s *process, f inbox.Filter, want error, what string) {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	var listing error
	for e, err := range s.box.DeadLetters(ctx, f) {
		if err == nil {
			c.brokenf("with %s, DeadLetters listed %q", what, e.Delivery.ID)
		}
		listing = err
	}
	if !errors.Is(listing, want) {
		c.brokenf("with %s, the error of DeadLetters was %v rather than %v", what, listing, want)
	}
	for name, do := range map[string]operation{"Retry": s.box.Retry, "Rerun": s.box.Rerun, "Discard": s.box.Discard} {
		if n, err := do(ctx, f); n != 0 || !errors.Is(err, want) {
			c.brokenf("with %s, %s returned %d and the error %v rather than %v", what, name, n, err, want)
		}
	}
}
