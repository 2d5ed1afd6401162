package webhook

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// An Observation says what became of one request, or of one run of a stored delivery. Its strings, but for ID and Err, come from fixed lists or from the
// configuration, and may become labels of a metric.
type Observation struct {
	Vendor   string
	Endpoint string
	Type     string // as documented by the vendor; "other" for any other; empty if not authentic
	Outcome  Outcome
	Reason   Reason
	SignedBy string // name of the key or credential; empty if not authentic
	Form     string // for vendors that sign in several
	// Unguarded says that the store could not be asked and the callback was run all the same, by DangerouslyFailOpen.
	Unguarded bool

	// FromInbox says that this is not a request: [Handler.Redeliver], which an inbox calls, ran a stored delivery. The
	// request that brought it has had its own observation, which says Stored.
	FromInbox bool

	// Late says that the callback ended after the response. An earlier observation says Overrun or Entrusted.
	Late bool

	Status   int           // of the response; zero if there is none, as FromInbox or Late say
	ID       string        // of the delivery; empty if not authentic
	Attempt  int           // zero if it was not given to a callback
	Bytes    int           // of the body; zero if it was not read
	Duration time.Duration // from the arrival until now
	Err      error         // what went wrong; a [PanicError] carries the stack
}

// otherType stands for all types that the vendor does not document.
const otherType = "other"

// report observes and logs what became of the delivery.
func (p *passage) report(v verdict, late bool) {
	h := p.h
	o := Observation{
		Vendor:    h.profile.Name,
		Endpoint:  h.endpoint.Name,
		Outcome:   v.outcome,
		Reason:    v.reason,
		Unguarded: p.unguarded,
		FromInbox: p.redelivered,
		Late:      late,
		Bytes:     p.bytes,
		Duration:  time.Since(p.arrived),
		Err:       v.err,
	}
	if !late && !p.redelivered {
		o.Status = rules[v.outcome].status
	}
	if d := p.delivery; d != nil {
		o.Type, o.ID, o.Attempt, o.SignedBy, o.Form = d.Type, d.ID, d.Attempt, d.SignedBy, d.Form
		if !h.knownTypes[d.Type] {
			o.Type = otherType
		}
	}
	h.log(p, &o)
	if h.options.Observer != nil {
		h.observe(p.ctx, o)
	}
}

// log writes the line. Late ones are written on a goroutine where a panic of the logger would end the process.
func (h *Handler) log(p *passage, o *Observation) {
	defer func() { _ = recover() }() // there is nothing left to say it with
	h.journal.write(p, o)
}

func (h *Handler) observe(ctx context.Context, o Observation) {
	defer func() {
		if value := recover(); value != nil {
			h.options.Logger.ErrorContext(ctx, "webhook: Options.Observer panicked",
				"vendor", o.Vendor, "panic", value, "stack", string(debug.Stack()))
		}
	}()
	h.options.Observer(ctx, o)
}

// A journal writes the log lines.
type journal struct {
	logger *slog.Logger

	// Lines that anybody can cause are thinned out, for each outcome on its own.
	strangers map[Outcome]*thinned

	mu        sync.Mutex
	typesSeen map[string]bool
}

type thinned struct {
	rate.Sometimes
	left atomic.Int64 // out, since the last line
}

const (
	strangerLines    = 5                // are written at first
	strangerInterval = 10 * time.Second // between two lines after that
	maxTypesSeen     = 256              // unhandled types that are told apart
)

func (j *journal) init(logger *slog.Logger) {
	j.logger = logger
	j.typesSeen = make(map[string]bool)
	j.strangers = make(map[Outcome]*thinned)
	for _, o := range []Outcome{Forged, Unreadable, TooLarge, Encoded, WrongMethod, Overloaded, ShuttingDown} {
		j.strangers[o] = &thinned{Sometimes: rate.Sometimes{First: strangerLines, Interval: strangerInterval}}
	}
}

// write writes at most one line.
func (j *journal) write(p *passage, o *Observation) {
	ctx, d := p.ctx, p.delivery
	level := rules[o.Outcome].level
	if o.FromInbox && o.Outcome != Unmarked {
		level = min(level, slog.LevelWarn) // it is retried, or the inbox writes the Error line of a dead letter
	}
	if o.Unguarded {
		level = max(level, slog.LevelWarn)
	}
	if !j.logger.Enabled(ctx, level) {
		return
	}
	if d == nil {
		thin, written, leftOut := j.strangers[o.Outcome], false, int64(0)
		thin.Do(func() { written, leftOut = true, thin.left.Swap(0) })
		if !written {
			thin.left.Add(1)
			return
		}
		j.line(p, level, o, leftOut) // outside of Do, where others would wait for it
		return
	}
	if o.Outcome == Unhandled && !j.firstOf(d.Type) {
		return
	}
	j.line(p, level, o, 0)
}

// firstOf reports whether an unhandled delivery of this type is seen for the first time.
func (j *journal) firstOf(eventType string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	eventType = clip(eventType)
	if j.typesSeen[eventType] || len(j.typesSeen) >= maxTypesSeen {
		return false
	}
	j.typesSeen[eventType] = true
	return true
}

// clip cuts what a sender could make as long as a body.
func clip(s string) string {
	const longest = 200
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}

func (j *journal) line(p *passage, level slog.Level, o *Observation, leftOut int64) {
	d, attrs := p.delivery, make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("vendor", o.Vendor), slog.String("endpoint", o.Endpoint),
		slog.String("outcome", string(o.Outcome)))
	if o.Status != 0 {
		attrs = append(attrs, slog.Int("status", o.Status))
	}
	if o.Reason != ReasonNone {
		attrs = append(attrs, slog.String("reason", string(o.Reason)))
	}
	if d != nil {
		attrs = append(attrs, slog.String("type", clip(d.Type)), slog.String("id", clip(d.ID)), slog.Int("attempt", d.Attempt),
			slog.String("signed_by", d.SignedBy))
	}
	attrs = append(attrs, slog.Float64("duration_ms", float64(o.Duration.Microseconds())/1000))
	if o.Unguarded {
		attrs = append(attrs, slog.Bool("unguarded", true))
	}
	if o.FromInbox {
		attrs = append(attrs, slog.Bool("from_inbox", true))
	}
	if o.Late {
		attrs = append(attrs, slog.Bool("late", true))
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int64("lines_left_out", leftOut))
	}
	if o.Err != nil {
		attrs = append(attrs, slog.String("error", o.Err.Error()))
	}
	if e := p.explain(o); e.Text != "" {
		attrs = append(attrs, slog.String("mistake", string(e.Mistake)), slog.String("explanation", e.Text))
	}
	var panicked *PanicError
	if errors.As(o.Err, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	j.logger.LogAttrs(p.ctx, level, "webhook delivery "+string(o.Outcome), attrs...)
}
