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
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A deliveryLogger writes the log lines. It samples the lines that any sender can cause repeatedly. These are all lines about
// requests that are not authentic, and all but the first about a delivery, because a captured delivery can be sent again.
type deliveryLogger struct {
	logger *slog.Logger

	mu         sync.Mutex
	typesSeen  map[string]bool
	fieldsSeen map[string]bool // undecoded fields, with their types
	samples    map[sampleKey]*sample
	recent     map[uint64]bool // lines about deliveries, written after since
	since      time.Time
	seed       maphash.Seed
}

// A sampleKey identifies lines that are sampled together.
type sampleKey struct {
	outcome   Outcome
	reason    Reason
	level     slog.Level
	authentic bool
}

func sampleKeyOf(o *Observation, level slog.Level, authentic bool) sampleKey {
	key := sampleKey{o.Outcome, o.Reason, level, authentic}
	if o.Outcome == Unauthenticated {
		key.reason = ReasonNone // the sender can choose it
	}
	return key
}

type sample struct {
	rate.Sometimes
	leftOut atomic.Int64 // lines that were not written since the last one
}

const (
	sampleFirst    = 5                // lines before the sampling begins
	sampleInterval = 10 * time.Second // between two lines after that

	recentInterval = time.Minute // time in which a second line about a delivery is a repetition
	maxRecent      = 1024        // deliveries in that time whose first line is not sampled

	maxTypesSeen    = 256     // unhandled types whose first delivery is logged as a Warning
	maxFieldsSeen   = 256     // undecoded fields whose first occurrence is logged as a Warning
	maxFieldsLogged = 5       // undecoded fields in a line
	maxFieldName    = 200     // bytes of a field's name
	maxTextLogged   = 1 << 10 // bytes of an error or an explanation
	maxStackLogged  = 32 << 10
)

func (l *deliveryLogger) init(logger *slog.Logger) {
	l.logger, l.seed = logger, maphash.MakeSeed()
	l.typesSeen, l.fieldsSeen = make(map[string]bool), make(map[string]bool)
	l.samples, l.recent = make(map[sampleKey]*sample), make(map[uint64]bool)
}

// delivery writes at most one line about a request. The line of a late outcome is written on a goroutine on which a panic of
// the logger would end the process.
func (l *deliveryLogger) delivery(ctx context.Context, d *Delivery, o *Observation, explain func() diagnose.Explanation) {
	defer func() { _ = recover() }() // the logger panicked, so the panic cannot be reported
	level := ruleOf(o.Outcome, o.Reason).level
	if o.FromInbox && !o.notCompleted() {
		level = min(level, slog.LevelWarn) // the inbox retries the delivery, or logs the Error of a dead letter
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
	l.line(ctx, d, level, o, leftOut, explanation(explain, o.Err))
}

// observerPanicked logs a panic of the Observer. It samples, because every request can cause one.
func (l *deliveryLogger) observerPanicked(ctx context.Context, o *Observation, value any, stack []byte) {
	defer func() { _ = recover() }() // the logger panicked, so the panic cannot be reported
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

// sample reports whether to write a line, and how many such lines were left out before it.
func (l *deliveryLogger) sample(key sampleKey) (leftOut int64, write bool) {
	l.mu.Lock()
	s := l.samples[key]
	if s == nil {
		s = &sample{Sometimes: rate.Sometimes{First: sampleFirst, Interval: sampleInterval}}
		l.samples[key] = s
	}
	l.mu.Unlock()
	s.Do(func() { write, leftOut = true, s.leftOut.Swap(0) })
	if !write {
		s.leftOut.Add(1)
	}
	return leftOut, write
}

// isFirst reports whether the line is not a repetition, so that it is not sampled. No sender can repeat the line of a run
// from an inbox, whose policy limits the runs, or of a completed delivery, which does not run again. Debug lines are never
// sampled.
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

// firstOf reports whether this is the first unhandled delivery of the type.
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

// firstField reports whether any of the fields is undecoded for the first time in an event of this type. The elements of a
// list count as one field.
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

// fieldsLogged returns the first few undecoded fields, in order, with the reasons.
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

// clip cuts the middle out of a long text. It keeps the end, because an error has its cause there.
func clip(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	half := longest / 2
	return strings.ToValidUTF8(s[:half]+" … "+s[len(s)-half:], "")
}

func (l *deliveryLogger) line(ctx context.Context, d *Delivery, level slog.Level, o *Observation, leftOut int64, e diagnose.Explanation) {
	attrs := make([]slog.Attr, 0, 16)
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
		if d.Tenant != "" {
			attrs = append(attrs, slog.String("tenant", d.Tenant))
		}
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
	if e.Text != "" {
		attrs = append(attrs, slog.String("cause", string(e.Cause)), slog.String("explanation", clip(e.Text, maxTextLogged)))
	}
	var panicked *PanicError
	if errors.As(o.Err, &panicked) {
		attrs = append(attrs, slog.String("stack", clip(string(panicked.Stack), maxStackLogged)))
	}
	l.logger.LogAttrs(ctx, level, "webhook delivery "+string(o.Outcome), attrs...)
}
