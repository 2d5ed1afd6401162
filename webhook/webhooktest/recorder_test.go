package webhooktest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An arrival is a request that the handler got.
type arrival struct {
	at, read time.Time // the times of the request and of the end of its body
	path     string
	header   http.Header
	body     string
	err      error // the error of reading the body
	ended    bool  // its context ended while it was handled
}

// A recorder is a handler that records its requests.
type recorder struct {
	// respond, if set, responds to the nth request, from 0. It may block.
	respond func(w http.ResponseWriter, r *http.Request, n int)

	mu       sync.Mutex
	arrived  []arrival
	inside   int
	together int // the maximum number of requests that were handled at the same time
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
	if r.respond != nil {
		r.respond(w, request, n)
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

func responding(statuses ...int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, n int) { w.WriteHeader(statuses[min(n, len(statuses)-1)]) }
}

// A fakeT is a testing.TB that records failures instead of failing the test.
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

// failing runs f with a fakeT and returns the messages with which it failed.
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
