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

// A stage has a sender on one side and a callback on the other.
type stage struct {
	vendor  vendor
	sender  webhooktest.Signer
	sent    int
	client  http.Client
	mu      sync.Mutex
	failing bool // the next callback fails
	saw     []string
}

func newStage(v vendor, hook *webhook.Handler, origin string) *stage {
	s := &stage{
		vendor: v,
		sender: webhooktest.Signer{Profile: v.profile, URL: origin + v.path, Key: signature.NewKey("default", secret)},
		client: http.Client{Timeout: time.Minute},
	}
	hook.OnEvent(s.callback)
	return s
}

// callback is what a user would write: it is given typed events, and its error decides the answer.
func (s *stage) callback(_ context.Context, event webhook.AnyEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	saw := fmt.Sprintf("%s, attempt %d", strings.TrimPrefix(fmt.Sprintf("%T", event), "*"), event.Delivery().Attempt)
	if s.failing {
		s.failing = false
		s.saw = append(s.saw, saw+", failed")
		return errors.New("the database is away")
	}
	s.saw = append(s.saw, saw)
	return nil
}

// playAll plays every sample, and then what goes wrong, with the first sample.
func (s *stage) playAll(t *table) error {
	for _, sample := range s.vendor.samples {
		source := "sample, our guess"
		if sample.Documented {
			source = "sample, from the vendor's page"
		}
		r, err := s.fresh(sample, time.Now())
		if err != nil {
			return err
		}
		s.row(t, sample.Type, source, "200", 1, s.send(r))
	}
	first := s.vendor.samples[0]
	for _, scene := range s.scenes(first) {
		if scene.only != nil && !scene.only(&s.vendor.profile) {
			continue
		}
		statuses, err := scene.play()
		if err != nil {
			return err
		}
		eventType := first.Type
		if scene.eventType != "" {
			eventType = scene.eventType
		}
		s.row(t, eventType, scene.name, scene.status, scene.callbacks, statuses)
	}
	return nil
}

// fresh makes a request for a delivery that has not been seen before, dated t.
func (s *stage) fresh(sample webhooktest.Sample, t time.Time) (*http.Request, error) {
	s.sent++
	id := fmt.Sprintf("quickstart-%d", s.sent)
	// WorkFlux sends no id: a second makes the difference.
	body := s.sender.Stamp(sample.Body, t.Add(-time.Duration(s.sent)*time.Second))
	return s.sender.Request(s.sender.Name(body, id), t, id)
}

// send sends the requests at once, and returns the statuses.
func (s *stage) send(requests ...*http.Request) string {
	statuses := make([]string, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() {
			answer, err := s.client.Do(r)
			if err != nil {
				statuses[i] = err.Error()
				return
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			statuses[i] = strconv.Itoa(answer.StatusCode)
		})
	}
	all.Wait()
	return strings.Join(statuses, " ")
}

// again makes the same request once more.
func again(r *http.Request) (*http.Request, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = body
	return r, nil
}

// row prints what was sent, how it was answered and what the callback saw since the last row.
func (s *stage) row(t *table, eventType, sent, want string, callbacks int, statuses string) {
	s.mu.Lock()
	saw := s.saw
	s.saw = nil
	s.mu.Unlock()
	t.row(s.vendor.profile.Name, eventType, sent, statuses, strings.Join(saw, "; "),
		statuses == want && len(saw) == callbacks)
}

// renamed returns the sample under a type that the vendor does not know.
func (s *stage) renamed(sample webhooktest.Sample) webhooktest.Sample {
	sample.Body = bytes.Replace(sample.Body, []byte(`"`+sample.Type+`"`), []byte(`"`+unknownType+`"`), 1)
	return sample
}
