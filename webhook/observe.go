package webhook

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/aihooks/aihooks-go/internal/names"
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
	// FailedOpen says that the store could not be asked and the callback was run all the same, by DangerouslyFailOpen.
	FailedOpen bool

	// FromInbox says that this is not a request: [Handler.Redeliver], which an inbox calls, ran a stored delivery. The
	// request that brought it has had its own observation, which says Stored.
	FromInbox bool

	// Late says that the callback ended after the response. An earlier observation says InFlight, with ReasonOverrun or
	// ReasonOverrunLast.
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

// notCompleted reports whether the callback ran, and the key could not be completed.
func (o *Observation) notCompleted() bool {
	return (o.Outcome == Handled || o.Outcome == Ignored) && (o.Reason == ReasonStore || o.Reason == ReasonLeaseLost)
}

// otherType stands for all types that the vendor does not document.
const otherType = "other"

// report observes and logs the outcome of the delivery.
func (p *processing) report(v disposition, late bool) {
	h := p.h
	o := Observation{
		Vendor:     h.profile.Name,
		Endpoint:   h.config.Endpoint,
		Outcome:    v.outcome,
		Reason:     v.reason,
		FailedOpen: p.failedOpen,
		FromInbox:  p.redelivered,
		Late:       late,
		Status:     p.status(v, late),
		Bytes:      p.bytes,
		Duration:   time.Since(p.arrived),
		Err:        v.err,
		Undecoded:  p.undecodedFields,
	}
	if d := p.delivery; d != nil {
		o.Type, o.ID, o.Attempt, o.SignedBy, o.Form = d.Type, names.Bounded(d.ID, names.Max), d.Attempt, d.SignedBy, d.Form
		if !h.knownTypes[d.Type] {
			o.Type = otherType
		}
	}
	h.log.delivery(p, &o)
	if h.options.Observer != nil {
		h.observe(p.ctx, o)
	}
}

// notice warns of what is wrong with the configuration, and was seen only when a delivery came.
func (h *Handler) notice(ctx context.Context, text string, args ...any) {
	defer func() { _ = recover() }() // there is no other place to report it
	args = append([]any{"vendor", h.profile.Name, "endpoint", h.config.Endpoint}, args...)
	h.options.Logger.WarnContext(ctx, text, args...)
}

func (h *Handler) observe(ctx context.Context, o Observation) {
	defer func() {
		if value := recover(); value != nil {
			h.log.observerPanicked(ctx, &o, value, debug.Stack())
		}
	}()
	h.options.Observer(ctx, o)
}
