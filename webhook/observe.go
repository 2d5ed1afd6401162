package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"runtime/debug"
	"slices"
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

	// Status is that of the response. It is zero where there is none: with FromInbox or Late, and if the request's context
	// had ended before, because the sender had disconnected or a middleware had responded in the handler's place.
	Status int

	ID       string        // of the delivery; empty if not authentic
	Attempt  int           // zero if it was not given to a callback
	Bytes    int           // of the body; zero if it was not read
	Duration time.Duration // from the arrival until now
	Err      error         // what went wrong; a [PanicError] carries the stack

	// Undecoded has the fields that did not fit the event's type, by their JSON pointers, and why; see
	// [Event.Undecoded]. It must not be changed.
	Undecoded map[string]error
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
		Status:    p.status(v.outcome, late),
		Bytes:     p.bytes,
		Duration:  time.Since(p.arrived),
		Err:       v.err,
		Undecoded: p.undecodedFields,
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

// notice warns of what is wrong with the configuration, and was seen only when a delivery came.
func (h *Handler) notice(ctx context.Context, text string, args ...any) {
	defer func() { _ = recover() }() // there is no other place to report it
	args = append([]any{"vendor", h.profile.Name, "endpoint", h.endpoint.Name}, args...)
	h.options.Logger.WarnContext(ctx, text, args...)
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

	mu         sync.Mutex
	typesSeen  map[string]bool
	fieldsSeen map[string]bool // that did not fit, with their types
}

type thinned struct {
	rate.Sometimes
	left atomic.Int64 // out, since the last line
}

const (
	strangerLines    = 5                // are written at first
	strangerInterval = 10 * time.Second // between two lines after that
	maxTypesSeen     = 256              // unhandled types that are told apart
	maxFieldsSeen    = 256              // undecoded fields that are told apart
	maxFieldsLogged  = 5                // undecoded fields in a line
)

func (j *journal) init(logger *slog.Logger) {
	j.logger = logger
	j.typesSeen, j.fieldsSeen = make(map[string]bool), make(map[string]bool)
	j.strangers = make(map[Outcome]*thinned)
	for _, o := range []Outcome{Forged, Unreadable, TooLarge, Encoded, WrongMethod, Overloaded, ShuttingDown, Unavailable, Panicked, EndpointCheck} {
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
	if o.Unguarded || o.Reason == ReasonOtherContent {
		level = max(level, slog.LevelWarn)
	}
	if o.Outcome == Unhandled && d != nil && !j.firstOf(d.Type) {
		level = slog.LevelDebug
	}
	if len(o.Undecoded) > 0 && level < slog.LevelWarn && j.firstField(d.Type, o.Undecoded) {
		level = slog.LevelWarn
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

// firstField reports whether a field is undecoded for the first time in an event of this type. Elements of a list are
// one field.
func (j *journal) firstField(eventType string, fields map[string]error) (first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for pointer := range fields {
		name := clip(eventType) + " " + clip(listIndex.ReplaceAllString(pointer, "/*"))
		if !j.fieldsSeen[name] && len(j.fieldsSeen) < maxFieldsSeen {
			j.fieldsSeen[name], first = true, true
		}
	}
	return first
}

var listIndex = regexp.MustCompile(`/[0-9]+`)

// fieldsLogged returns a few fields that did not fit, in order, and why.
func fieldsLogged(fields map[string]error) []string {
	var list []string
	for _, pointer := range slices.Sorted(maps.Keys(fields)) {
		if len(list) == maxFieldsLogged {
			return append(list, fmt.Sprintf("and %d more", len(fields)-len(list)))
		}
		list = append(list, clip(pointer)+": "+fields[pointer].Error())
	}
	return list
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
	if len(o.Undecoded) > 0 {
		attrs = append(attrs, slog.Any("undecoded", fieldsLogged(o.Undecoded)))
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
