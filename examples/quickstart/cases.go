package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const unknownType = "teapot.short_and_stout"

// A testCase is a situation that every receiver of webhooks must handle.
type testCase struct {
	name      string
	eventType string
	status    string // the expected status of each request
	callbacks int    // the expected number of callbacks
	only      func(p *vendors.Profile) bool
	run       func() (statuses string, err error)
}

func (h *harness) cases(sample webhooktest.Sample) []testCase {
	timed := func(p *vendors.Profile) bool { return p.Window > 0 }
	return []testCase{
		{name: "a duplicate", status: "200 200", callbacks: 1, run: func() (string, error) {
			return h.twice(sample, func(first, second *http.Request) string {
				return h.send(first) + " " + h.send(second)
			})
		}},
		{name: "two copies at once", status: "200 200", callbacks: 1, run: func() (string, error) {
			return h.twice(sample, func(first, second *http.Request) string {
				return h.send(first, second)
			})
		}},
		{name: "a callback that fails, then the redelivery", status: "500 200", callbacks: 2, run: func() (string, error) {
			return h.twice(sample, func(first, second *http.Request) string {
				h.mu.Lock()
				h.failing = true
				h.mu.Unlock()
				return h.send(first) + " " + h.send(second)
			})
		}},
		{name: "a wrong signature or token", status: "401", run: func() (string, error) {
			return h.altered(sample, time.Now(), forge)
		}},
		{name: "stale", status: "401", only: timed, run: func() (string, error) {
			return h.altered(sample, time.Now().Add(-h.vendor.profile.Window-time.Minute), nil)
		}},
		{name: "dated in the future", status: "503", only: timed, run: func() (string, error) {
			return h.altered(sample, time.Now().Add(10*time.Minute), nil)
		}},
		{name: "too large", status: "413", run: func() (string, error) {
			return h.altered(sample, time.Now(), inflate)
		}},
		{name: "an unknown type", eventType: unknownType, status: "200", run: func() (string, error) {
			return h.altered(h.renamed(sample), time.Now(), nil)
		}},
	}
}

// twice creates two requests for one delivery.
func (h *harness) twice(sample webhooktest.Sample, send func(first, second *http.Request) string) (string, error) {
	first, err := h.fresh(sample, time.Now())
	if err != nil {
		return "", err
	}
	second, err := clone(first)
	if err != nil {
		return "", err
	}
	return send(first, second), nil
}

// altered sends a delivery that tamper changes after it was signed.
func (h *harness) altered(sample webhooktest.Sample, t time.Time, tamper func(*http.Request)) (string, error) {
	r, err := h.fresh(sample, t)
	if err != nil {
		return "", err
	}
	if tamper != nil {
		tamper(r)
	}
	return h.send(r), nil
}

// forge changes the last digit of the signature, or the token.
func forge(r *http.Request) {
	for name, values := range r.Header {
		if strings.HasSuffix(name, "-Signature") {
			digits, last := values[0][:len(values[0])-1], "0"
			if strings.HasSuffix(values[0], last) {
				last = "1"
			}
			r.Header.Set(name, digits+last)
			return
		}
	}
	r.URL.Path = strings.TrimSuffix(r.URL.Path, secret) + "guessed"
}

func inflate(r *http.Request) {
	body := bytes.Repeat([]byte(" "), maxBody+1)
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}
