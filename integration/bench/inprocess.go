package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	playground "github.com/go-playground/webhooks/v6/github"

	"github.com/aihooks/aihooks-go/webhook"
)

// The names of handlers that are measured in process only.
const (
	verifyOnly     = "read and verify by hand"
	oursUndecoded  = "aihooks, decoding nothing"
	goPlayground   = "go-playground, GitHub's push"
	inProcessSlice = 300 * time.Millisecond
	batchSize      = 64
)

// inProcess measures handlers without a socket. Making the requests is not timed.
func inProcess() ([]*comparison, error) {
	var all []*comparison
	procs := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(procs)
	for _, where := range []struct {
		name           string
		procs, senders int
	}{
		{"one core", 1, 1},
		{fmt.Sprintf("%d cores, a sender for each", procs), procs, procs},
		{fmt.Sprintf("%d cores, one sender", procs), procs, 1},
	} {
		for _, size := range []int{512, 4 << 10, 64 << 10} {
			c := &comparison{name: where.name + ", " + bytesText(size), units: []string{"us"}}
			for _, name := range []string{competent, best, ours, oursFast, verifyOnly, oursUndecoded, goPlayground} {
				x, err := newExchanges(name, "", size)
				if err != nil {
					return nil, err
				}
				c.add(name, func() ([]float64, error) {
					runtime.GOMAXPROCS(where.procs)
					runtime.GC() // of what the others left
					each, err := x.perDelivery(where.senders)
					return []float64{float64(each) / 1e3}, err
				})
			}
			if err := c.measure(); err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// exchanges make requests for a handler.
type exchanges struct {
	handler http.Handler
	text    string
	prepare func(x *exchange, s *sender, id uint64)
}

func newExchanges(name, dir string, size int) (*exchanges, error) {
	x := &exchanges{text: template(size), prepare: (*exchange).prepare}
	var err error
	switch name {
	case verifyOnly:
		x.handler = bestHandler(nil)
	case oursUndecoded:
		x.handler, err = undecodingHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	case goPlayground:
		x.text, x.prepare = pushTemplate(size), (*exchange).preparePush
		x.handler, err = pushHandler()
	default:
		x.handler, err = newHandler(name, dir, new(atomic.Int64))
	}
	return x, err
}

// perDelivery returns the time of a delivery on one core, in nanoseconds.
func (x *exchanges) perDelivery(senders int) (time.Duration, error) {
	var spent, n, failed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range senders {
		all.Go(func() {
			s, id := newSender(x.text), rand.Uint64()
			batch := make([]exchange, batchSize)
			for time.Since(began) < inProcessSlice {
				for i := range batch {
					x.prepare(&batch[i], s, id)
					id++
				}
				began := time.Now()
				for i := range batch {
					x.handler.ServeHTTP(&batch[i], batch[i].request)
				}
				spent.Add(int64(time.Since(began)))
				n.Add(batchSize)
				for i := range batch {
					if batch[i].status != http.StatusOK {
						failed.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	if failed.Load() > 0 {
		return 0, fmt.Errorf("%d of %d deliveries failed", failed.Load(), n.Load())
	}
	return time.Duration(spent.Load() / n.Load()), nil
}

// An exchange is a request and its ResponseWriter, like those of net/http: the body is not in memory, and has a read deadline.
type exchange struct {
	bytes.Reader
	request *http.Request
	header  http.Header
	status  int
}

func (x *exchange) Close() error                    { return nil }
func (x *exchange) Header() http.Header             { return x.header }
func (x *exchange) WriteHeader(status int)          { x.status = status }
func (x *exchange) Write(p []byte) (int, error)     { return len(p), nil }
func (x *exchange) SetReadDeadline(time.Time) error { return nil }

func (x *exchange) prepare(s *sender, id uint64) {
	body, signature := s.next(id)
	x.fill(body)
	x.request.Header.Set(signatureHeader, string(signature))
}

func (x *exchange) fill(body []byte) {
	x.status, x.header = 0, make(http.Header)
	x.Reset(bytes.Clone(body))
	var err error
	x.request, err = http.NewRequest(http.MethodPost, "http://receiver.test/", x)
	fail(err)
	x.request.ContentLength = int64(len(body))
	x.request.Header.Set("Content-Type", "application/json")
}

// preparePush makes a delivery as GitHub signs it.
func (x *exchange) preparePush(s *sender, id uint64) {
	body, _ := s.next(id)
	x.fill(body)
	x.request.Header.Set("X-Github-Event", string(playground.PushEvent))
	x.request.Header.Set("X-Hub-Signature-256", "sha256="+string(s.signature))
}

// pushTemplate returns a push event of at least size bytes. Its commits have about as many fields as the messages of a
// transcript.
func pushTemplate(size int) string {
	var commits []map[string]any
	for i := 0; ; i++ {
		commits = append(commits, map[string]any{
			"id": fmt.Sprintf("commit-%d", i), "message": "Helps with that, one moment please.", "distinct": true,
			"timestamp": "2026-01-02T03:04:05Z", "url": "http://sender.test/commit", "author": map[string]any{"name": "agent"},
		})
		b, err := json.Marshal(map[string]any{"ref": placeholder, "commits": commits})
		fail(err)
		if len(b) >= size {
			return string(b)
		}
	}
}

func pushHandler() (http.Handler, error) {
	hook, err := playground.New(playground.Options.Secret(secret))
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := hook.Parse(r, playground.PushEvent)
		if push, ok := event.(playground.PushPayload); err != nil || !ok || push.Ref == "" {
			http.Error(w, "refused", http.StatusBadRequest)
			return
		}
		succeed(w)
	}), nil
}
