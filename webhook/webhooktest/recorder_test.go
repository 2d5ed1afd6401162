package webhooktest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An arrival is a request as the handler saw it.
type arrival struct {
	at, read time.Time // when it came, and when its body had been read
	path     string
	header   http.Header
	body     string
	err      error // of reading the body
	ended    bool  // its context ended while it was handled
}

// A recorder is a handler that notes what it is sent.
type recorder struct {
	// answer, if set, answers the nth request, from 0. It may take its time.
	answer func(w http.ResponseWriter, r *http.Request, n int)

	mu       sync.Mutex
	arrived  []arrival
	inside   int
	together int // the most requests that were being handled at one time
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.inside++
	r.together = max(r.together, r.inside)
	r.mu.Unlock()
	a := arrival{at: time.Now(), path: request.URL.RequestURI(), header: request.Header}
	body, err := io.ReadAll(request.Body)
	a.read, a.body, a.err = time.Now(), string(body), err
	r.mu.Lock()
	n := len(r.arrived)
	r.arrived = append(r.arrived, a)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, request, n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	r.arrived[n].ended = request.Context().Err() != nil
}

func (r *recorder) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.arrived...)
}

func answering(statuses ...int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, n int) { w.WriteHeader(statuses[min(n, len(statuses)-1)]) }
}

// onADay runs f in a bubble whose clock stands at noon of a day on which Unix times have their ten digits.
func onADay(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// A fakeT is a test that fails without harm.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	says     []string
	cleanups []func()
	output   bytes.Buffer
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fakeT) Output() io.Writer { return &f.output }
func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.says = append(f.says, fmt.Sprintf(format, args...))
}
func (f *fakeT) Fatalf(format string, args ...any) { f.Errorf(format, args...); runtime.Goexit() }

// failing runs f as a test of its own and returns the sentences that it failed with.
func failing(t *testing.T, f func(t testing.TB)) []string {
	t.Helper()
	fake := &fakeT{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(fake)
	}()
	<-done
	for _, cleanup := range fake.cleanups {
		cleanup()
	}
	return fake.says
}

func failsWith(t *testing.T, sentence string, f func(t testing.TB)) {
	t.Helper()
	require.Equal(t, []string{sentence}, failing(t, f))
}
