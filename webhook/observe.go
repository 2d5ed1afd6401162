package webhook

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/aihooks/aihooks-go/internal/names"
)

// An Observation reports the outcome of one request, or of one run of a stored delivery. All strings except ID, Tenant and Err
// come from fixed lists or from the configuration, so they are safe as labels of a metric. With [Tenants], SignedBy is not
// safe either.
type Observation struct {
	Vendor   string
	Endpoint string
	Type     string // a type that the vendor documents, or "other"; empty if not authentic
	Outcome  Outcome
	Reason   Reason
	SignedBy string // name of the key or credential; empty if not authentic
	Form     string // form of the signature, for vendors with several; empty if not authentic
	// FailedOpen reports that the store was unavailable and the callback ran nevertheless, by DangerouslyFailOpen.
	FailedOpen bool

	// FromInbox reports a run of a stored delivery by [Handler.Redeliver], not a request. The request had a separate
	// Observation with the outcome Stored.
	FromInbox bool

	// Late reports that the callback ended after the response. An earlier Observation had the outcome InFlight, with
	// ReasonOverrun or ReasonOverrunLast.
	Late bool

	// Status is the status of the response. It is zero if there was no response: with FromInbox or Late, and if the
	// request's context had ended, because the sender disconnected or a middleware responded first.
	Status int

	ID       string        // id of the delivery; empty if not authentic
	Tenant   string        // tenant of the delivery; empty without Tenants
	Time     time.Time     // of the event, as the vendor says; zero if not authentic, or without a time
	Attempt  int           // number of runs; zero if no callback ran
	Bytes    int           // size of the body; zero if it was not read
	Duration time.Duration // from the arrival until now
	Err      error         // the failure; a [PanicError] has the stack

	// Undecoded has the fields that did not fit the event's type, by their JSON pointers, with the reasons. See
	// [Event.Undecoded]. Observers must not change it.
	Undecoded map[string]error
}

// notCompleted reports whether the callback ran but its key could not be completed.
func (o *Observation) notCompleted() bool {
	return (o.Outcome == Handled || o.Outcome == Ignored) && (o.Reason == ReasonStore || o.Reason == ReasonLeaseLost)
}

// otherType replaces all types that the vendor does not document.
const otherType = "other"

// report observes and logs the outcome of the delivery, which is nil if the request was not authentic.
func (h *Handler) report(a *arrival, d *received, v disposition, late bool) {
	o := Observation{
		Vendor:     h.profile.Name,
		Endpoint:   h.config.Endpoint,
		Outcome:    v.outcome,
		Reason:     v.reason,
		FailedOpen: v.failedOpen,
		FromInbox:  a.redelivered,
		Late:       late,
		Bytes:      v.bytes,
		Duration:   time.Since(a.at),
		Err:        v.err,
		Undecoded:  v.undecoded,
	}
	if !late && !a.redelivered && a.ctx.Err() == nil {
		o.Status = ruleOf(v.outcome, v.reason).status
	}
	var delivery *Delivery
	if d != nil {
		delivery = d.Delivery
		o.Type, o.ID, o.Attempt, o.SignedBy, o.Form = d.Type, names.Bounded(d.ID, names.Max), d.Attempt, d.SignedBy, d.Form
		o.Bytes, o.Time, o.Tenant = len(d.Body), d.Time, d.Tenant
		if !h.documents(d.Type) {
			o.Type = otherType
		}
	}
	h.silence.observe(a, &o)
	h.log.delivery(a.ctx, delivery, &o, v.explain)
	if h.options.Observer != nil {
		h.observe(a.ctx, o)
	}
}

// notice logs a warning about the configuration that only a delivery could reveal.
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
