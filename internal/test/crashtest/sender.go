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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Sender sends deliveries as the vendors do.
type Sender struct {
	Deliveries []*Delivery
	Fleet      *Fleet

	// Minute is the length of one minute of the vendors' schedules.
	Minute time.Duration

	// Rate is how many deliveries are started per second.
	Rate int

	// ExpectContinue sends the header Expect: 100-continue. [Fleet.Deploy] then knows when a request has reached its
	// handler. Fewer requests run concurrently, so that a busy machine responds in time.
	ExpectContinue bool

	// Timeout is how long a vendor waits for a response. It is not scaled by Minute. Defaults to 5 seconds, the shortest
	// timeout of the vendors.
	Timeout time.Duration

	client   *http.Client
	started  atomic.Int64
	attempts atomic.Int64
	requests chan struct{} // has one element for each running request

	mu        sync.Mutex
	responses map[string]int // by status, or by the name of an error
}

const (
	maxRequests       = 64
	maxExpectContinue = 8
	defaultTimeout    = 5 * time.Second
)

// Send sends all deliveries, and retries each until it is accepted or its vendor gives up.
func (s *Sender) Send() {
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	atOnce := maxRequests
	if s.ExpectContinue {
		atOnce = maxExpectContinue
	}
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, ExpectContinueTimeout: s.Timeout}
	defer transport.CloseIdleConnections()
	s.client = &http.Client{Timeout: s.Timeout, Transport: transport}
	s.requests = make(chan struct{}, atOnce)
	s.responses = make(map[string]int)
	pace := time.NewTicker(time.Second / time.Duration(s.Rate))
	defer pace.Stop()
	var all sync.WaitGroup
	for _, d := range s.Deliveries {
		<-pace.C
		s.requests <- struct{}{} // slows down on a slow machine
		<-s.requests
		s.started.Add(1)
		all.Go(func() { s.deliver(d) })
	}
	all.Wait()
}

// SendDuring sends all deliveries while disrupt runs. It returns when both have ended.
func (s *Sender) SendDuring(disrupt func()) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.Send()
	}()
	disrupt()
	<-sent
}

// Progress returns the fraction of deliveries that have been started.
func (s *Sender) Progress() float64 { return float64(s.started.Load()) / float64(len(s.Deliveries)) }

// deliver sends one delivery by the vendor's schedule.
func (s *Sender) deliver(d *Delivery) {
	began := time.Now()
	d.body = d.sender.Stamp(d.body, began)
	for n := range d.schedule.Attempts {
		time.Sleep(time.Until(began.Add(d.at(n, s.Minute))))
		if s.attempt(d) {
			return
		}
	}
}

// attempt makes one attempt, or two concurrent ones. It reports whether the vendor makes no more.
func (s *Sender) attempt(d *Delivery) (ended bool) {
	if !d.concurrent {
		return s.request(d)
	}
	var duplicate bool
	var wg sync.WaitGroup
	wg.Go(func() { duplicate = s.request(d) })
	ended = s.request(d)
	wg.Wait()
	return ended || duplicate
}

func (s *Sender) request(d *Delivery) (ended bool) {
	s.requests <- struct{}{}
	defer func() { <-s.requests }()
	s.attempts.Add(1)
	status, err := s.post(d)
	if err != nil {
		s.count(errorName(err))
		return false
	}
	s.count(strconv.Itoa(status))
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
	address, arrived := s.Fleet.route()
	defer arrived()
	r.URL.Host = address
	if s.ExpectContinue {
		r.Header.Set("Expect", "100-continue")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: arrived}))
	}
	response, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// errorName returns a short name for the error of a request.
func errorName(err error) string {
	for name, is := range map[string]error{
		"refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET, "cut off": io.EOF, "timeout": os.ErrDeadlineExceeded,
		"broken pipe": syscall.EPIPE, "closed": net.ErrClosed,
	} {
		if errors.Is(err, is) {
			return name
		}
	}
	return err.Error()
}

func (s *Sender) count(response string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responses[response]++
}

// Responses returns the number of responses by status, or by the name of an error.
func (s *Sender) Responses() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.responses)
}

// RequireOnly200 requires that every response had status 200.
func (s *Sender) RequireOnly200(t testing.TB) {
	t.Helper()
	for response, times := range s.Responses() {
		require.Equal(t, "200", response, "%d times", times)
	}
}

// String returns the statistics.
func (s *Sender) String() string {
	accepted, again := 0, 0
	for _, d := range s.Deliveries {
		if n := d.Accepted(); n > 0 {
			accepted++
			again += n - 1
		}
	}
	var responses []string
	for response, n := range s.Responses() {
		responses = append(responses, fmt.Sprintf("%s: %d", response, n))
	}
	sort.Strings(responses)
	return fmt.Sprintf("%d deliveries, %d attempts (%s); %d accepted, %d of them more than once in %d further responses, %d given up by the vendor",
		len(s.Deliveries), s.attempts.Load(), strings.Join(responses, ", "), accepted, s.acceptedAgain(), again, len(s.Deliveries)-accepted)
}

func (s *Sender) acceptedAgain() (n int) {
	for _, d := range s.Deliveries {
		if d.Accepted() > 1 {
			n++
		}
	}
	return n
}
