// Package health has HTTP handlers for the liveness and readiness probes of a service that receives webhooks.
//
//	http.Handle("GET /livez", health.Live())
//	http.Handle("GET /readyz", health.Ready(nil, workfluxHook, emberqaHook))
//
// A handler for webhooks is ready if it was not shut down, and its store and its inbox respond and have capacity. The
// response of Ready is 200 or 503 with a JSON body:
//
//	{"ready":false,"problems":[{"check":"workflux/default","problem":"inbox_full"}]}
//
// A problem is shutting_down, inbox_full, store_full, timeout, unavailable, or silent. The last one does not make a service
// unready: see webhook.Options.SilentAfter. The body has no texts of errors, because probes are often public: these are
// logged, once when a problem begins and once when it ends.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/deadline"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Checker can be ready or not. The handlers of all vendors, the stores and the inboxes of this module are Checkers. See
// [Check] for others.
type Checker interface {
	// Ready returns nil, or the reason why it is not ready. It must return when ctx ends.
	Ready(ctx context.Context) error
}

// Check returns a Checker with a name for the response, for example Check("database", db.PingContext).
func Check(name string, ready func(context.Context) error) Checker { return &named{name, ready} }

type named struct {
	name  string
	ready func(context.Context) error
}

func (n *named) Ready(ctx context.Context) error { return n.ready(ctx) }

// Options configure [Ready]. The zero value of each field means its default.
type Options struct {
	// Timeout is how long the checks may take together. One that takes longer has the problem "timeout". Defaults to 800 ms,
	// because Kubernetes waits for one second.
	Timeout time.Duration

	// Logger gets a Warning with the error when a problem begins, and an Info line when it ends. Defaults to slog.Default().
	Logger *slog.Logger
}

const (
	defaultTimeout = 800 * time.Millisecond

	// maxAge is how long a result is used again, so that any number of probes costs one check a second.
	maxAge = time.Second
)

// Live returns a handler that responds 200. It checks nothing: a restart repairs neither a store nor an inbox.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, []byte(`{"live":true}`)) })
}

// Ready returns a handler that responds 200 if all checks are ready, and 503 otherwise. It runs the checks at the same time,
// and at most once a second. A nil o means the defaults.
func Ready(o *Options, checks ...Checker) http.Handler {
	r := &readiness{timeout: defaultTimeout, turn: make(chan struct{}, 1)}
	if o != nil {
		r.logger = o.Logger
		if o.Timeout > 0 {
			r.timeout = o.Timeout
		}
	}
	for _, c := range checks {
		r.checks = append(r.checks, &check{Checker: c, name: nameOf(c)})
	}
	return r
}

// nameOf returns the vendor and the endpoint of a handler, the name given to Check, or the type.
func nameOf(c Checker) string {
	switch c := c.(type) {
	case *named:
		return c.name
	case interface {
		Vendor() string
		Endpoint() string
	}:
		return c.Vendor() + "/" + c.Endpoint()
	default:
		return fmt.Sprintf("%T", c)
	}
}

type readiness struct {
	checks  []*check
	timeout time.Duration
	logger  *slog.Logger // nil: slog.Default()

	turn   chan struct{} // held while the checks run, so that probes at the same time share a result
	at     time.Time     // of the result
	status int
	body   []byte
}

type check struct {
	Checker
	name    string
	calls   deadline.Single
	problem string // of the last result
}

// ServeHTTP implements [http.Handler].
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	select {
	case r.turn <- struct{}{}:
	case <-req.Context().Done():
		return
	}
	defer func() { <-r.turn }()
	if r.body == nil || time.Since(r.at) >= maxAge {
		r.run(context.WithoutCancel(req.Context()))
		r.at = time.Now()
	}
	respond(w, r.status, r.body)
}

func respond(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

type problem struct {
	Check   string `json:"check"`
	Problem string `json:"problem"`
}

// run runs the checks and makes the response.
func (r *readiness) run(ctx context.Context) {
	errs := make([]error, len(r.checks))
	var all sync.WaitGroup
	for i, c := range r.checks {
		all.Go(func() { errs[i] = c.calls.Call(ctx, r.timeout, c.Ready) })
	}
	all.Wait()
	result := struct {
		Ready    bool      `json:"ready"`
		Problems []problem `json:"problems,omitempty"`
	}{Ready: true}
	for i, c := range r.checks {
		name, ready := problemOf(errs[i])
		result.Ready = result.Ready && ready
		if name != "" {
			result.Problems = append(result.Problems, problem{c.name, name})
		}
		r.log(ctx, c, name, errs[i])
		c.problem = name
	}
	r.status = http.StatusOK
	if !result.Ready {
		r.status = http.StatusServiceUnavailable
	}
	r.body, _ = json.Marshal(result) //nolint:errchkjson // strings and a bool always have JSON
}

// log logs a change of a check's problem.
func (r *readiness) log(ctx context.Context, c *check, name string, err error) {
	defer func() { _ = recover() }() // the logger panicked, so the panic cannot be reported
	logger := r.logger
	if logger == nil {
		logger = slog.Default()
	}
	switch name {
	case c.problem:
	case "":
		logger.InfoContext(ctx, "health: a check is ready again", "check", c.name)
	default:
		logger.WarnContext(ctx, "health: a check is not ready", "check", c.name, "problem", name, "error", err)
	}
}

// problems are the names of errors, in the order in which they are looked for.
var problems = []struct {
	err     error
	name    string
	isReady bool
}{
	{webhook.ErrShutdown, "shutting_down", false},
	{webhook.ErrSilent, "silent", true},
	{webhook.ErrInboxFull, "inbox_full", false},
	{idempotency.ErrFull, "store_full", false},
	{context.DeadlineExceeded, "timeout", false},
}

func problemOf(err error) (name string, isReady bool) {
	if err == nil {
		return "", true
	}
	for _, p := range problems {
		if errors.Is(err, p.err) {
			return p.name, p.isReady
		}
	}
	return "unavailable", false
}
