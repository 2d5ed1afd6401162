package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A harness has the sender and the callback of one vendor.
type harness struct {
	vendor  vendor
	sender  webhooktest.Signer
	sent    int
	client  http.Client
	mu      sync.Mutex
	failing bool     // the next callback fails
	calls   []string // of the callback, since the last row
}

func newHarness(v vendor, hook *webhook.Handler, origin string) *harness {
	h := &harness{
		vendor: v,
		sender: webhooktest.Signer{Profile: v.profile, URL: origin + v.path, Key: signature.NewKey("default", secret)},
		client: http.Client{Timeout: time.Minute},
	}
	hook.OnEvent(h.callback)
	return h
}

// callback is what a user would write. It gets typed events, and its error decides the response.
func (h *harness) callback(_ context.Context, event webhook.AnyEvent) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	call := fmt.Sprintf("%s, attempt %d", strings.TrimPrefix(fmt.Sprintf("%T", event), "*"), event.Delivery().Attempt)
	if h.failing {
		h.failing = false
		h.calls = append(h.calls, call+", failed")
		return errors.New("the database is down")
	}
	h.calls = append(h.calls, call)
	return nil
}

// runAll sends every sample, and then runs all cases with the first sample.
func (h *harness) runAll(t *table) error {
	for _, sample := range h.vendor.samples {
		source := "sample, our guess"
		if sample.Documented {
			source = "sample, from the vendor's page"
		}
		r, err := h.fresh(sample, time.Now())
		if err != nil {
			return err
		}
		h.row(t, sample.Type, source, "200", 1, h.send(r))
	}
	first := h.vendor.samples[0]
	for _, c := range h.cases(first) {
		if c.only != nil && !c.only(&h.vendor.profile) {
			continue
		}
		statuses, err := c.run()
		if err != nil {
			return err
		}
		eventType := first.Type
		if c.eventType != "" {
			eventType = c.eventType
		}
		h.row(t, eventType, c.name, c.status, c.callbacks, statuses)
	}
	return nil
}

// fresh returns a request for a new delivery with the time t.
func (h *harness) fresh(sample webhooktest.Sample, t time.Time) (*http.Request, error) {
	h.sent++
	id := fmt.Sprintf("quickstart-%d", h.sent)
	// WorkFlux sends no id, so the time must differ.
	body := h.sender.Stamp(sample.Body, t.Add(-time.Duration(h.sent)*time.Second))
	return h.sender.Request(h.sender.Name(body, id), t, id)
}

// send sends the requests concurrently, and returns the statuses of the responses.
func (h *harness) send(requests ...*http.Request) string {
	statuses := make([]string, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() {
			response, err := h.client.Do(r)
			if err != nil {
				statuses[i] = err.Error()
				return
			}
			defer response.Body.Close()
			_, _ = io.Copy(io.Discard, response.Body)
			statuses[i] = strconv.Itoa(response.StatusCode)
		})
	}
	all.Wait()
	return strings.Join(statuses, " ")
}

// clone returns a copy of a request, with its body.
func clone(r *http.Request) (*http.Request, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = body
	return r, nil
}

// row prints what was sent, the statuses of the responses, and the calls of the callback since the last row.
func (h *harness) row(t *table, eventType, sent, want string, callbacks int, statuses string) {
	h.mu.Lock()
	calls := h.calls
	h.calls = nil
	h.mu.Unlock()
	t.row(h.vendor.profile.Name, eventType, sent, statuses, strings.Join(calls, "; "),
		statuses == want && len(calls) == callbacks)
}

// renamed returns the sample with a type that the vendor does not have.
func (h *harness) renamed(sample webhooktest.Sample) webhooktest.Sample {
	sample.Body = bytes.Replace(sample.Body, []byte(`"`+sample.Type+`"`), []byte(`"`+unknownType+`"`), 1)
	return sample
}
