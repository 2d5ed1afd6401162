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

// A scene is something that happens to every receiver of webhooks sooner or later.
type scene struct {
	name      string
	eventType string
	status    string // what the contract says; of each request, where there are several
	callbacks int    // how often the callback is to run
	only      func(p *vendors.Profile) bool
	play      func() (statuses string, err error)
}

func (s *stage) scenes(sample webhooktest.Sample) []scene {
	timed := func(p *vendors.Profile) bool { return p.Window > 0 }
	return []scene{
		{name: "a duplicate", status: "200 200", callbacks: 1, play: func() (string, error) {
			return s.twice(sample, func(first, second *http.Request) string {
				return s.send(first) + " " + s.send(second)
			})
		}},
		{name: "two twins at once", status: "200 200", callbacks: 1, play: func() (string, error) {
			return s.twice(sample, func(first, second *http.Request) string {
				return s.send(first, second)
			})
		}},
		{name: "a callback that fails, then the redelivery", status: "500 200", callbacks: 2, play: func() (string, error) {
			return s.twice(sample, func(first, second *http.Request) string {
				s.mu.Lock()
				s.failing = true
				s.mu.Unlock()
				return s.send(first) + " " + s.send(second)
			})
		}},
		{name: "forged", status: "401", play: func() (string, error) {
			return s.altered(sample, time.Now(), forge)
		}},
		{name: "stale", status: "401", only: timed, play: func() (string, error) {
			return s.altered(sample, time.Now().Add(-s.vendor.profile.Window-time.Minute), nil)
		}},
		{name: "dated in the future", status: "503", only: timed, play: func() (string, error) {
			return s.altered(sample, time.Now().Add(10*time.Minute), nil)
		}},
		{name: "too large", status: "413", play: func() (string, error) {
			return s.altered(sample, time.Now(), inflate)
		}},
		{name: "an unknown type", eventType: unknownType, status: "200", play: func() (string, error) {
			return s.altered(s.renamed(sample), time.Now(), nil)
		}},
	}
}

// twice makes the same delivery two times.
func (s *stage) twice(sample webhooktest.Sample, play func(first, second *http.Request) string) (string, error) {
	first, err := s.fresh(sample, time.Now())
	if err != nil {
		return "", err
	}
	second, err := again(first)
	if err != nil {
		return "", err
	}
	return play(first, second), nil
}

// altered sends a delivery that has been tampered with after it was signed.
func (s *stage) altered(sample webhooktest.Sample, t time.Time, tamper func(*http.Request)) (string, error) {
	r, err := s.fresh(sample, t)
	if err != nil {
		return "", err
	}
	if tamper != nil {
		tamper(r)
	}
	return s.send(r), nil
}

// forge changes what makes the request authentic: the last digit of its signature, or its token.
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
