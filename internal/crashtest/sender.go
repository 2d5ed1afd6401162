//go:build unix

package crashtest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Sender plays the vendors.
type Sender struct {
	Deliveries []*Delivery
	Fleet      *Fleet

	// Minute is how long a minute of the vendors' schedules takes.
	Minute time.Duration

	// Rate is how many deliveries are begun in a second.
	Rate int

	// Expectant has requests wait with their bodies until the handler asks for them, so that it is known when it does:
	// for [Fleet.Roll]. Fewer of them are under way at once, so that a busy machine answers each in time.
	Expectant bool

	// Patience is how long a vendor waits for an answer. It is not compressed.
	//
	// Defaults to 5 seconds, as the least patient vendors have it.
	Patience time.Duration

	client   *http.Client
	begun    atomic.Int64
	attempts atomic.Int64
	requests chan struct{} // holds one for each request under way

	mu      sync.Mutex
	answers map[string]int // by status, or by what went wrong
}

const (
	maxRequests  = 64
	maxExpectant = 8
	leastPatient = 5 * time.Second
)

// Send sends all deliveries, each until it is accepted or its vendor gives up, and returns when that is done.
func (s *Sender) Send() {
	if s.Patience == 0 {
		s.Patience = leastPatient
	}
	atOnce := maxRequests
	if s.Expectant {
		atOnce = maxExpectant
	}
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, ExpectContinueTimeout: s.Patience}
	defer transport.CloseIdleConnections()
	s.client = &http.Client{Timeout: s.Patience, Transport: transport}
	s.requests = make(chan struct{}, atOnce)
	s.answers = make(map[string]int)
	pace := time.NewTicker(time.Second / time.Duration(s.Rate))
	defer pace.Stop()
	var all sync.WaitGroup
	for _, d := range s.Deliveries {
		<-pace.C
		s.requests <- struct{}{} // a machine that is slow is sent less
		<-s.requests
		s.begun.Add(1)
		all.Go(func() { s.deliver(d) })
	}
	all.Wait()
}

// Progress returns how much of all has been begun.
func (s *Sender) Progress() float64 { return float64(s.begun.Load()) / float64(len(s.Deliveries)) }

// deliver follows the vendor's schedule.
func (s *Sender) deliver(d *Delivery) {
	began := time.Now()
	d.body = d.sender.Stamp(d.body, began)
	for n := range d.reading.Attempts {
		time.Sleep(time.Until(began.Add(d.at(n, s.Minute))))
		if s.attempt(d) {
			return
		}
	}
}

// attempt makes one attempt, or two at once, and reports whether the vendor makes no more.
func (s *Sender) attempt(d *Delivery) (ended bool) {
	if !d.twice {
		return s.request(d)
	}
	var twin bool
	var wg sync.WaitGroup
	wg.Go(func() { twin = s.request(d) })
	ended = s.request(d)
	wg.Wait()
	return ended || twin
}

func (s *Sender) request(d *Delivery) (ended bool) {
	s.requests <- struct{}{}
	defer func() { <-s.requests }()
	s.attempts.Add(1)
	status, err := s.post(d)
	if err != nil {
		s.note(wrong(err))
		return false
	}
	s.note(strconv.Itoa(status))
	if status == http.StatusOK {
		return d.accept()
	}
	return !d.retried(status)
}

func (s *Sender) post(d *Delivery) (status int, err error) {
	r, err := d.sender.Request(d.body, time.Now(), d.Name)
	if err != nil {
		return 0, err
	}
	address, entered := s.Fleet.enter()
	defer entered()
	r.URL.Host = address
	if s.Expectant {
		r.Header.Set("Expect", "100-continue")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: entered}))
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// wrong names what kept a request from being answered.
func wrong(err error) string {
	for name, is := range map[string]error{
		"refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET, "cut off": io.EOF, "no answer": os.ErrDeadlineExceeded,
		"broken pipe": syscall.EPIPE, "closed": net.ErrClosed,
	} {
		if errors.Is(err, is) {
			return name
		}
	}
	return err.Error()
}

func (s *Sender) note(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[answer]++
}

// Answers returns how often there was each answer: a status, or what went wrong.
func (s *Sender) Answers() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answers)
}

// String returns the figures.
func (s *Sender) String() string {
	accepted, again := 0, 0
	for _, d := range s.Deliveries {
		if n := d.Accepted(); n > 0 {
			accepted++
			again += n - 1
		}
	}
	var answers []string
	for answer, n := range s.Answers() {
		answers = append(answers, fmt.Sprintf("%s: %d", answer, n))
	}
	sort.Strings(answers)
	return fmt.Sprintf("%d deliveries, %d attempts (%s); %d accepted, %d of them again in %d answers more, %d given up by the vendor",
		len(s.Deliveries), s.attempts.Load(), strings.Join(answers, ", "), accepted, s.acceptedAgain(), again, len(s.Deliveries)-accepted)
}

func (s *Sender) acceptedAgain() (n int) {
	for _, d := range s.Deliveries {
		if d.Accepted() > 1 {
			n++
		}
	}
	return n
}
