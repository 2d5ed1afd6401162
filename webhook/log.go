package webhook

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/aihooks/aihooks-go/internal/names"
)

// A deliveryLogger writes the log lines. A line that anybody can repeat is sampled: each line about a request that is not
// authentic, and each but the first about a delivery, because anybody who has captured one can send it again.
type deliveryLogger struct {
	logger *slog.Logger

	mu         sync.Mutex
	typesSeen  map[string]bool
	fieldsSeen map[string]bool // that did not fit, with their types
	samples    map[sampleKey]*sample
	recent     map[uint64]bool // lines about deliveries, since then
	since      time.Time
	seed       maphash.Seed
}

// A sampleKey is what lines must have in common to be sampled together.
type sampleKey struct {
	outcome   Outcome
	reason    Reason // of outcomes that have more than one row
	level     slog.Level
	authentic bool
}

func sampleKeyOf(o *Observation, level slog.Level, authentic bool) sampleKey {
	key := sampleKey{o.Outcome, o.Reason, level, authentic}
	if o.Outcome == Unauthenticated {
		key.reason = ReasonNone // a sender chooses it
	}
	return key
}

type sample struct {
	rate.Sometimes
	left atomic.Int64 // out, since the last line
}

const (
	sampleFirst    = 5                // lines are written at first
	sampleInterval = 10 * time.Second // between two lines after that

	recentInterval = time.Minute // in which a second line about a delivery is a repetition
	maxRecent      = 1024        // deliveries that have a line of their own in that time

	maxTypesSeen    = 256     // unhandled types that are told apart
	maxFieldsSeen   = 256     // undecoded fields that are told apart
	maxFieldsLogged = 5       // undecoded fields in a line
	maxFieldName    = 200     // bytes of the name of one
	maxTextLogged   = 1 << 10 // bytes of an error or an explanation
	maxStackLogged  = 32 << 10
)

func (l *deliveryLogger) init(logger *slog.Logger) {
	l.logger, l.seed = logger, maphash.MakeSeed()
	l.typesSeen, l.fieldsSeen = make(map[string]bool), make(map[string]bool)
	l.samples, l.recent = make(map[sampleKey]*sample), make(map[uint64]bool)
}

// delivery writes at most one line about a delivery, or a request that was none. Late ones are written on a goroutine
// where a panic of the logger would end the process.
func (l *deliveryLogger) delivery(p *processing, o *Observation) {
	defer func() { _ = recover() }() // there is nothing left to report it with
	ctx, d := p.ctx, p.delivery
	level := ruleOf(o.Outcome, o.Reason).level
	if o.FromInbox && !o.notCompleted() {
		level = min(level, slog.LevelWarn) // it is retried, or the inbox writes the Error line of a dead letter
	}
	if o.FailedOpen || o.Reason == ReasonOtherContent {
		level = max(level, slog.LevelWarn)
	}
	if o.Outcome == Unhandled && d != nil && !l.firstOf(d.Type) {
		level = slog.LevelDebug
	}
	if len(o.Undecoded) > 0 && level < slog.LevelWarn && l.firstField(d.Type, o.Undecoded) {
		level = slog.LevelWarn
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	leftOut := int64(0)
	if d == nil || !l.isFirst(d, o, level) {
		var write bool
		if leftOut, write = l.sample(sampleKeyOf(o, level, d != nil)); !write {
			return
		}
	}
	l.line(p, level, o, leftOut)
}

// observerPanicked reports a panic of the Observer, which can come with every request.
func (l *deliveryLogger) observerPanicked(ctx context.Context, o *Observation, value any, stack []byte) {
	defer func() { _ = recover() }() // there is nothing left to report it with
	leftOut, write := l.sample(sampleKey{level: slog.LevelError})
	if !write {
		return
	}
	attrs := []slog.Attr{
		slog.String("vendor", o.Vendor), slog.String("endpoint", o.Endpoint),
		slog.String("panic", clip(fmt.Sprint(value), maxTextLogged)), slog.String("stack", clip(string(stack), maxStackLogged)),
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int64("lines_left_out", leftOut))
	}
	l.logger.LogAttrs(ctx, slog.LevelError, "webhook: Options.Observer panicked", attrs...)
}

// sample reports whether a line is to be written, and how many such lines were left out before it.
func (l *deliveryLogger) sample(key sampleKey) (leftOut int64, write bool) {
	l.mu.Lock()
	s := l.samples[key]
	if s == nil {
		s = &sample{Sometimes: rate.Sometimes{First: sampleFirst, Interval: sampleInterval}}
		l.samples[key] = s
	}
	l.mu.Unlock()
	s.Do(func() { write, leftOut = true, s.left.Swap(0) })
	if !write {
		s.left.Add(1)
	}
	return leftOut, write
}

// isFirst reports whether the line is not a repetition. An inbox runs a stored delivery only as often as its policy
// says. A completed delivery does not run again. Debug lines are there to see every delivery.
func (l *deliveryLogger) isFirst(d *Delivery, o *Observation, level slog.Level) bool {
	completed := ruleOf(o.Outcome, o.Reason).key == "completed" && !o.FailedOpen
	if o.FromInbox || completed || level < slog.LevelInfo {
		return true
	}
	hash := maphash.String(l.seed, fmt.Sprint(o.Outcome, " ", o.Reason, " ", o.Late, " ", d.mainKey()))
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.since) >= recentInterval {
		clear(l.recent)
		l.since = now
	}
	if l.recent[hash] || len(l.recent) >= maxRecent {
		return false
	}
	l.recent[hash] = true
	return true
}

// firstOf reports whether an unhandled delivery of this type is seen for the first time.
func (l *deliveryLogger) firstOf(eventType string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	eventType = names.Bounded(eventType, names.Max)
	if l.typesSeen[eventType] || len(l.typesSeen) >= maxTypesSeen {
		return false
	}
	l.typesSeen[eventType] = true
	return true
}

// firstField reports whether a field is undecoded for the first time in an event of this type. Elements of a list are
// one field.
func (l *deliveryLogger) firstField(eventType string, fields map[string]error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for pointer := range fields {
		name := names.Bounded(eventType, names.Max) + " " + clip(listIndex.ReplaceAllString(pointer, "/*"), maxFieldName)
		if !l.fieldsSeen[name] && len(l.fieldsSeen) < maxFieldsSeen {
			l.fieldsSeen[name], first = true, true
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
		list = append(list, clip(pointer, maxFieldName)+": "+clip(fields[pointer].Error(), maxFieldName))
	}
	return list
}

// clip cuts the middle out of what can be as long as a body. An error has its cause at the end.
func clip(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	half := longest / 2
	return strings.ToValidUTF8(s[:half]+" … "+s[len(s)-half:], "")
}

func (l *deliveryLogger) line(p *processing, level slog.Level, o *Observation, leftOut int64) {
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
		attrs = append(attrs, slog.String("type", names.Bounded(d.Type, names.Max)), slog.String("id", o.ID), slog.Int("attempt", d.Attempt),
			slog.String("signed_by", d.SignedBy))
	}
	attrs = append(attrs, slog.Float64("duration_ms", float64(o.Duration.Microseconds())/1000))
	if o.FailedOpen {
		attrs = append(attrs, slog.Bool("failed_open", true))
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
		attrs = append(attrs, slog.String("error", clip(o.Err.Error(), maxTextLogged)))
	}
	if e := p.explain(o); e.Text != "" {
		attrs = append(attrs, slog.String("cause", string(e.Cause)), slog.String("explanation", clip(e.Text, maxTextLogged)))
	}
	var panicked *PanicError
	if errors.As(o.Err, &panicked) {
		attrs = append(attrs, slog.String("stack", clip(string(panicked.Stack), maxStackLogged)))
	}
	l.logger.LogAttrs(p.ctx, level, "webhook delivery "+string(o.Outcome), attrs...)
}
