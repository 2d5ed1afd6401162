package inboxtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// enqueueRules are the rules of Enqueue.
var enqueueRules = []rule{{
	name: "EnqueuedIsDurable",
	text: "A delivery is stored when Enqueue returns. Other processes see it, and it runs after the inbox was opened again.",
	check: func(c *check) {
		first, other := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		first.handler(acme, plain).postRequest(body(ping, "a"))
		first.enqueue(deliveryOf(acme, plain, ping, "b"))
		for _, id := range []string{"a", "b"} {
			if !other.handler(acme, plain).send(ping, id) {
				c.brokenf("another process did not report %q as a duplicate", id)
			}
		}
		first.closes()
		other.closes()
		other.closes()
		again := c.open(inbox.Policy{})
		h := again.handler(acme, plain).on(ping, succeed)
		if !h.send(ping, "a") {
			c.brokenf("after the inbox was opened again, %q was not a duplicate", "a")
		}
		again.run(h)
		c.awaitCalls(1, "a", "b")
	},
}, {
	name: "ConcurrentEnqueuesStoreOnce",
	text: "If several processes enqueue one delivery concurrently, exactly one Enqueue returns that it is new, and the delivery runs once.",
	check: func(c *check) {
		processes := []*process{c.open(inbox.Policy{}), c.open(inbox.Policy{})}
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			c.raceToEnqueue(processes, id)
		}
		h := processes[0].handler(acme, plain).on(ping, succeed)
		processes[0].run(h)
		c.awaitCalls(1, ids...)
		c.runMarkers(h)
		for _, id := range ids {
			c.awaitOutcomes(h, id, 1)
		}
	},
}, {
	name: "DuplicateIsNotRun",
	text: "A stored delivery that is pending, done or a dead letter is a duplicate and does not run again, even after the inbox was opened again.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed).on(pong, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "done")
		h.sendNew(pong, "dead")
		duplicates := func(when string, h *handler) {
			for id, eventType := range map[string]string{"done": ping, "dead": pong} {
				if !h.send(eventType, id) {
					c.brokenf("%s, a delivery was not reported as a duplicate", when)
				}
			}
		}
		duplicates("while it was pending", h)
		r := s.run(h)
		c.awaitCalls(1, "done")
		c.awaitDeadLetters(s, "dead")
		duplicates("after it had run", h)
		c.runMarkers(h)
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h = s.handler(acme, plain).on(ping, succeed).on(pong, succeed)
		duplicates("after it had run and the inbox was opened again", h)
		s.run(h)
		c.runMarkers(h)
		c.called(1, "after it was sent four times", "done", "dead")
	},
}, {
	name: "FirstKeyDecides",
	text: "The first key alone identifies a delivery. Keys are compared byte by byte.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		for i, key := range distinctKeys {
			d := deliveryOf(acme, plain, ping, fmt.Sprint("distinct ", i))
			d.Keys = []string{"acme/default/" + key, "acme/default/the same second key"}
			if s.enqueue(d) {
				c.brokenf("the new key %.40q was reported as a duplicate", d.Keys[0])
			}
		}
		for i, key := range distinctKeys {
			d := deliveryOf(acme, plain, ping, fmt.Sprint("again ", i))
			d.Keys = []string{"acme/default/" + key, fmt.Sprint("acme/default/another second key ", i)}
			if !s.enqueue(d) {
				c.brokenf("the first key %.40q was not recognized", d.Keys[0])
			}
		}
	},
}, {
	name: "OtherBodyIsDuplicate",
	text: "A delivery with the first key of another is a duplicate, even if its body differs. Then the error is nil or wraps ErrOtherContent. With the same body the error is nil.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		d := deliveryOf(acme, plain, ping, "a")
		s.enqueue(d)
		other := *d
		other.Body = append(slices.Clone(d.Body), ' ')
		if !s.enqueue(&other) {
			c.brokenf("it was not reported as a duplicate")
		}
		ctx, cancel := c.callTimeout()
		defer cancel()
		if _, err := s.box.Enqueue(ctx, d); err != nil {
			c.brokenf("with the same body, the error was %v", err)
		}
	},
}, {
	name: "DeliveryIsUnchanged",
	text: "Callbacks and DeadLetters get a delivery with its body and all its fields unchanged, byte by byte.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.OnUnhandled(func(ctx context.Context, d *webhook.Delivery) error {
			return c.calls.record(ctx, d, fails(webhook.Permanent(errCallback)))
		})
		want := oddDeliveries()
		for _, d := range want {
			if s.enqueue(d) {
				c.brokenf("the new delivery %.40q was reported as a duplicate", d.ID)
			}
		}
		for id, b := range oddBodies() {
			_, d := h.post(b)
			if d.ID != id {
				c.Fatalf("the body of %q was read as %q", id, d.ID)
			}
			want = append(want, d)
		}
		s.run(h)
		dead := c.awaitDeadLetters(s, idsOf(want)...)
		for _, d := range want {
			if field := difference(d, c.call(d.ID, 1).delivery); field != "" {
				c.brokenf("the callback got the delivery %.40q with %s", d.ID, field)
			}
			if field := difference(d, dead[d.ID].Delivery); field != "" {
				c.brokenf("DeadLetters returned the delivery %.40q with %s", d.ID, field)
			}
		}
	},
}, {
	name: "NoSecretIsStored",
	text: "Only the headers that the vendor's page names are stored. No signature, no credential, no cookie and no part of the URL is stored.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.postRequest(body(ping, "a"))
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		for name := range e.Delivery.Header {
			if name != "Content-Type" && name != traceHeader {
				c.brokenf("the header %s was stored", name)
			}
		}
		text := fmt.Sprintf("%+v %+v %s %s", e, *e.Delivery, e.Delivery.Body, c.log)
		for _, secret := range []string{"secret-in-a-header", "token-in-the", signingKey} {
			if strings.Contains(text, secret) {
				c.brokenf("%q was stored or logged", secret)
			}
		}
	},
}}

// distinctKeys are keys that a careless comparison confuses, or that have a special meaning for an engine.
var distinctKeys = []string{
	"key", "Key", "key ", "key/", "key//", "key.", "key*", "key>", "key%", "k_y", "key'", `key"`, `key\`, "key;--", "{key}", "key#1", "key:1",
	strings.Repeat("x", 200), strings.Repeat("x", 201), strings.Repeat("x", 200) + "y",
}

// raceToEnqueue enqueues one delivery concurrently from many goroutines of several processes.
func (c *check) raceToEnqueue(processes []*process, id string) {
	c.Helper()
	const enqueues = 16
	var duplicates [enqueues]bool
	var errs [enqueues]error
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range enqueues {
		wg.Go(func() {
			<-start
			ctx, cancel := c.callTimeout()
			defer cancel()
			duplicates[i], errs[i] = processes[i%len(processes)].box.Enqueue(ctx, deliveryOf(acme, plain, ping, id))
		})
	}
	close(start)
	wg.Wait()
	fresh := 0
	for i := range enqueues {
		if errs[i] != nil {
			c.brokenf("one of %d concurrent Enqueues failed: %v", enqueues, errs[i])
		}
		if !duplicates[i] {
			fresh++
		}
	}
	if fresh != 1 {
		c.brokenf("%d of %d concurrent Enqueues returned that the delivery is new", fresh, enqueues)
	}
}

// oddBodies returns bodies that a careless storage would change, by their IDs.
func oddBodies() map[string][]byte {
	all := make([]byte, 0, 256)
	for b := 0x20; b < 0x100; b++ {
		if b != '"' && b != '\\' {
			all = append(all, byte(b))
		}
	}
	bodies := map[string][]byte{
		"spaced":    joined("\r\n\t ", body(ping, "spaced"), " \n\n"),
		"not UTF-8": bytes.Replace(body(ping, "not UTF-8"), []byte(`"n":7`), joined("\n\t\"n\" : 7, \"x\":\"", all, "<&>\u2028\""), 1),
		"escaped":   bytes.Replace(body(ping, "escaped"), []byte(`"n":7`), []byte(`"\u006e":7,"x":"\u0000\ud800\/"`), 1),
	}
	large := body(ping, "large")
	fill := bytes.Repeat(all, webhook.DefaultMaxBody/len(all)+1)
	head, tail := large[:len(large)-1], []byte(`"}`)
	head = append(head, `,"x":"`...)
	bodies["large"] = joined(string(head), fill[:webhook.DefaultMaxBody-len(head)-len(tail)], string(tail))
	return bodies
}

func joined(before string, b []byte, after string) []byte {
	return append(append([]byte(before), b...), after...)
}

// oddDeliveries returns deliveries with unusual fields, as the profile of a vendor might produce.
func oddDeliveries() []*webhook.Delivery {
	least := deliveryOf(acme, plain, ping, "least")
	least.EventID, least.Time, least.Form = "", time.Time{}, ""
	odd := deliveryOf(acme, plain, "an \"odd\" type\x00\n\u00e9 %s' \U0001F511", "odd \x00 id '"+strings.Repeat("x", 300))
	odd.Keys = []string{"acme/default/odd", "acme/default/odder", "acme/default/oddest"}
	odd.Body = body(ping, "odd") // handlers read only its data again
	odd.EventID = "\x00{}\u2028<&>"
	odd.SignedBy = "\u043a\u043b\u044e\u0447"
	odd.Time, odd.ReceivedAt = sent.Add(1), sent.Add(123456789)
	odd.Header = http.Header{"Content-Type": {"application/json; charset=\"utf-8\""}, traceHeader: {"one", "", "two, three"}}
	return []*webhook.Delivery{least, odd}
}

func idsOf(deliveries []*webhook.Delivery) []string {
	ids := make([]string, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
	}
	return ids
}
