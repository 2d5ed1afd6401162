//go:build unix

package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// The deliveries of the session, by type. The callback of each type does what its name says.
var types = []string{"fails", "succeeds", "succeeds", "retries", "unknown"}

const deliveries = 50

var errCRM = errors.New("dial tcp 10.0.0.7:5432: connection refused")

// A hook is the handler of the session's service.
type hook struct{ fixed atomic.Bool }

func (*hook) Vendor() string         { return "workflux" }
func (*hook) Endpoint() string       { return "default" }
func (*hook) Handles(is string) bool { return is != "unknown" }

func (h *hook) Redeliver(_ context.Context, d *webhook.Delivery) webhook.Result {
	switch {
	case d.Type == "unknown":
		return webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	case d.Type == "fails" && !h.fixed.Load():
		return webhook.Result{Outcome: webhook.DeadLettered, Reason: webhook.ReasonPermanent, Err: errCRM}
	case d.Type == "retries":
		return webhook.Result{Outcome: webhook.Failed, Reason: webhook.ReasonRetryAfter, RetryAfter: time.Hour, Err: errCRM}
	default:
		return webhook.Result{Outcome: webhook.Handled}
	}
}

// A site is a service with an inbox of one engine.
type site struct {
	t    *testing.T
	box  inbox.Inbox
	from string
	hook hook
}

// newSite opens an inbox and stores the deliveries. A Run handles them one by one.
func newSite(t *testing.T, e engine) *site {
	t.Helper()
	s := &site{t: t}
	s.box, s.from = e.open(t, inbox.Policy{Concurrency: 1, Logger: slog.New(slog.DiscardHandler)})
	for i := range deliveries {
		d := inboxkit.NewDelivery("workflux", types[i%len(types)], fmt.Sprintf("delivery-%02d", i), fmt.Appendf(nil, `{"n":%d}`, i))
		_, err := s.box.Enqueue(t.Context(), d)
		require.NoError(t, err)
	}
	inboxkit.Run(t, s.box, &s.hook)
	s.await(func(c inbox.Counts) bool {
		return c.DeadLettered == 10 && c.Deferred == 10 && c.Pending == 10 && c.Running == 0
	})
	return s
}

func (s *site) await(is func(inbox.Counts) bool) {
	s.t.Helper()
	kit.Eventually(s.t, func() bool {
		stats, err := s.box.Stats(s.t.Context())
		return err == nil && is(stats.Counts)
	})
}

// aihooks runs a command of the tool, and returns its output.
func (s *site) aihooks(args ...string) string {
	s.t.Helper()
	out, code := s.try(args...)
	require.Zero(s.t, code, "%v: %s", args, out)
	return out
}

func (s *site) try(args ...string) (out string, code int) {
	s.t.Helper()
	c := exec.Command(tool, append([]string{"inbox"}, args...)...)
	c.Env = append(c.Environ(), "AIHOOKS_INBOX="+s.from)
	var buffer bytes.Buffer
	c.Stdout, c.Stderr = &buffer, &buffer
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return buffer.String(), c.ProcessState.ExitCode()
}

// entries returns the entries that list prints.
func (s *site) entries(args ...string) (list []inbox.Entry) {
	s.t.Helper()
	for line := range strings.Lines(s.aihooks(append([]string{"list", "--json"}, args...)...)) {
		if !strings.HasPrefix(line, "{") {
			continue // a note that there are more
		}
		var e inbox.Entry
		require.NoError(s.t, json.Unmarshal([]byte(line), &e), line)
		list = append(list, e)
	}
	return list
}

var (
	instants  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?|\d\d:\d\d:\d\d(\.\d+)?`)
	durations = regexp.MustCompile(`\b\d+(\.\d+)?(ns|us|µs|ms|s)\b`)
	spaces    = regexp.MustCompile(` +`)
)

// alike returns output without ids and times, which differ between engines and runs.
func (s *site) alike(text string) string {
	s.t.Helper()
	for _, e := range s.entries("--state", "all", "--limit", "1000") {
		text = regexp.MustCompile(`(?m)^(id +)?`+regexp.QuoteMeta(e.ID)+`(  |$)`).ReplaceAllString(text, "${1}ID$2")
	}
	text = regexp.MustCompile(`--cursor \S+`).ReplaceAllString(text, "--cursor ID")
	text = instants.ReplaceAllString(text, "TIME")
	text = durations.ReplaceAllString(text, "LONG")
	return spaces.ReplaceAllString(text, " ")
}

// TestSession_IsTheSameOnEveryEngine runs the commands of an operator on every engine. JetStream keeps nothing of deliveries
// that are done.
func TestSession_IsTheSameOnEveryEngine(t *testing.T) {
	outputs := make(map[string][]string)
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := newSite(t, e)
			record := func(out string) { outputs[e.name] = append(outputs[e.name], s.alike(out)) }
			for _, state := range []string{"dead_lettered", "pending", "deferred", "running"} {
				record(s.aihooks("list", "--state", state))
				record(s.aihooks("list", "--state", state, "--text", "delivery-1", "--limit", "2"))
			}
			for _, e := range s.entries() {
				record(s.aihooks("show", e.ID))
				record(s.aihooks("show", e.ID, "--body"))
			}
			for _, e := range s.entries("--state", "deferred", "--limit", "1") {
				record(s.aihooks("show", e.ID))
			}
			stats := s.aihooks("stats")
			if e.name != "jetstream" {
				require.Regexp(t, `all +10 +0 +10 +10 +20\n`, stats)
			}
			record(regexp.MustCompile(`(?m) \d+$|.* a minute$|.*succeeds.*\n`).ReplaceAllString(stats, "")) // what is done

			record(s.aihooks("retry", "--text", "CONNECTION refused", "--dry-run"))
			out, code := s.try("retry", "--text", "connection refused")
			require.Equal(t, 1, code)
			record(out)
			s.hook.fixed.Store(true)
			record(s.aihooks("retry", "--type", "fails", "--until", "0s", "--yes", "--by", "alice", "--reason", "the CRM is back"))
			s.await(func(c inbox.Counts) bool { return c.DeadLettered == 0 && c.Pending == 10 && c.Running == 0 })
			record(s.aihooks("list"))
			for _, done := range s.entries("--state", "done", "--type", "fails", "--limit", "1") { // none on JetStream
				require.Contains(t, s.aihooks("show", done.ID), "The callback handled the delivery.")
				require.Len(t, done.Attempts, 2)
				require.Equal(t, webhook.Handled, done.Attempts[1].Outcome)
			}
			record(s.aihooks("discard", "--deferred", "--all", "--yes", "--by", "alice"))
			for _, done := range s.entries("--state", "done", "--type", "unknown", "--limit", "1") {
				require.Contains(t, s.aihooks("show", done.ID), "The delivery was discarded.")
				require.Contains(t, s.aihooks("show", done.ID), "The body has been deleted.")
			}
			record(s.aihooks("pause", "--vendor", "workflux", "--type", "fails", "--by", "bob", "--reason", "the CRM moves"))
			record(s.aihooks("pauses"))
			record(s.aihooks("resume", "--vendor", "workflux", "--type", "fails", "--by", "bob"))
			record(s.aihooks("audit"))
			out, code = s.try("show", "4711")
			require.Equal(t, 1, code)
			record(out)
		})
	}
	for _, e := range engines[1:] {
		require.Equal(t, strings.Join(outputs[engines[0].name], "\n---\n"), strings.Join(outputs[e.name], "\n---\n"), e.name)
	}
}

// TestOperators_ShareDeadLetters runs two operators at once. Each dead letter is changed by one of them.
func TestOperators_ShareDeadLetters(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := newSite(t, e)
			s.hook.fixed.Store(true)
			counts := make(chan int, 2)
			for _, command := range []string{"retry", "discard"} {
				go func() {
					var changed struct{ Entries int }
					out, code := s.try(command, "--all", "--yes", "--json")
					if code != 0 || json.Unmarshal([]byte(out), &changed) != nil {
						t.Errorf("%s: exit code %d, %s", command, code, out)
					}
					counts <- changed.Entries
				}()
			}
			require.Equal(t, 10, <-counts+<-counts)
			s.await(func(c inbox.Counts) bool { return c.DeadLettered == 0 && c.Pending == 10 && c.Running == 0 })
			sum := 0
			audit, err := s.box.Audit(t.Context())
			require.NoError(t, err)
			for _, change := range audit {
				sum += change.Entries
			}
			require.Equal(t, 10, sum)
		})
	}
}
