package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/deadline"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A disposition is the result of a step. The zero disposition continues with the next step.
type disposition struct {
	outcome Outcome
	reason  Reason
	err     error
	after   time.Duration // for Retry-After; zero means the default
	settled bool          // the keys were completed or released, or the attempt to do so failed
}

func (v disposition) final() bool { return v.outcome != "" }

// A processing is the state of one delivery while it is processed.
type processing struct {
	h         *Handler
	ctx       context.Context
	arrived   time.Time
	respondBy time.Time
	bytes     int

	envelope    vendors.Envelope
	event       AnyEvent  // set once it is decoded
	undecoded   error     // the error of decoding it
	sentAt      time.Time // the time that is checked against the window; zero if unknown
	delivery    *Delivery // nil until authentic
	failedOpen  bool      // the store was unavailable, so it does not prevent a second run
	attempts    int       // vendor's attempts including this one; exact only if this one can be the last
	unread      bool      // the sender may still be writing the body
	body        *buffer   // set until the body is authentic, or its refusal has been reported
	refused     *refused  // the request that was not authentic
	redelivered bool      // Redeliver runs a stored delivery

	undecodedFields map[string]error // fields that did not fit the event's type

	responded chan struct{} // set if the response is due before the callback has ended; closed once that is reported
}

func (h *Handler) process(ctx context.Context, r *Request) Result {
	h.seal()
	p := &processing{h: h, ctx: ctx, arrived: time.Now()}
	p.respondBy = p.arrived.Add(h.options.ResponseTimeout)
	p.honorDeadline()
	p.extendWriteTimeout(r)
	if h.options.Inbox == nil {
		if !h.drain.enter() {
			p.unread = true
			return p.respond(disposition{outcome: Unavailable, reason: ReasonShuttingDown, err: errShutdown})
		}
		defer h.drain.leave() // after the report
	}
	defer p.freeBody() // also if an Authenticator ends the goroutine
	return p.respond(p.receive(r))
}

// freeBody releases the memory of the received body.
func (p *processing) freeBody() {
	if p.body != nil {
		p.body.free()
		p.body = nil
	}
}

// receive runs all steps of a request and returns its disposition.
func (p *processing) receive(r *Request) disposition {
	h := p.h
	a, v := p.authenticate(r)
	if v.final() {
		return v
	}
	if v := p.identify(a); v.final() {
		return v
	}
	if h.rate != nil && !h.rate.allow(p.delivery.mainKey()) {
		return disposition{outcome: Unavailable, reason: ReasonRate, err: errors.New("webhook: more deliveries a second than Options.RateLimit allows")}
	}
	if h.options.Inbox != nil {
		return p.enqueue()
	}
	return p.handle()
}

// authenticate reads the body within its bounds and verifies it. The returned body is a copy.
func (p *processing) authenticate(r *Request) (*vendors.Authenticated, disposition) {
	h := p.h
	if v := h.checkBounds(r); v.final() {
		p.unread = v.reason != ReasonEndpointCheck || r.ContentLength != 0
		return nil, v
	}
	o := &h.options
	buf, err := r.readBody(o.ReadBudget, o.MaxBody, min(o.BodyTimeout, time.Until(p.respondBy)))
	if err != nil {
		p.unread = true
		return nil, unreadable(err)
	}
	p.body, p.bytes = buf, len(buf.b)
	match, err := p.verify(r, buf.b)
	if err != nil {
		p.refused = &refused{r, buf}
		return nil, unauthenticated(err)
	}
	defer p.freeBody()
	return &vendors.Authenticated{Header: r.Header, Body: buf.take(), Match: match}, disposition{}
}

// checkBounds checks everything that does not need the body.
func (h *Handler) checkBounds(r *Request) disposition {
	encoding := coding(r.Header["Content-Encoding"])
	switch {
	case h.options.RespondToGET && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return disposition{outcome: Ignored, reason: ReasonEndpointCheck}
	case r.Method != http.MethodPost && r.Method != "":
		return disposition{outcome: Rejected, reason: ReasonMethod, err: errors.New("webhook: the method is not POST")}
	case encoding != "":
		return disposition{outcome: Rejected, reason: ReasonContentEncoding, err: &encodedError{encoding}}
	case r.ContentLength > h.options.MaxBody:
		return disposition{outcome: Rejected, reason: ReasonTooLarge, err: fmt.Errorf("%w: the request declares %d bytes, and Options.MaxBody is %d", errTooLarge, r.ContentLength, h.options.MaxBody)}
	default:
		return disposition{}
	}
}

func unreadable(err error) disposition {
	switch {
	case errors.Is(err, errTooLarge):
		return disposition{outcome: Rejected, reason: ReasonTooLarge, err: err}
	case errors.Is(err, errReading):
		return disposition{outcome: Unavailable, reason: ReasonReading, err: err}
	case errors.Is(err, errEvicted):
		return disposition{outcome: Unavailable, reason: ReasonEvicted, err: err}
	case errors.Is(err, errSlow):
		return disposition{outcome: Rejected, reason: ReasonSlow, err: err}
	case errors.Is(err, errLength):
		return disposition{outcome: Rejected, reason: ReasonLength, err: err}
	default:
		return disposition{outcome: Rejected, reason: ReasonCutOff, err: fmt.Errorf("webhook: the connection failed before the body was complete: %w", err)}
	}
}

// verify calls the Authenticator and returns a panic as an error.
func (p *processing) verify(r *Request, body []byte) (match signature.Match, err error) {
	defer caught(&err)
	authenticator, ctx := p.h.config.Authenticator, p.ctx
	if _, computes := authenticator.(*signed); !computes {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(p.h.options.StoreTimeout, time.Until(p.respondBy)))
		defer cancel()
	}
	return authenticator.Authenticate(ctx, r.shown(), body)
}

// unauthenticated maps an Authenticator's error to a disposition.
func unauthenticated(err error) disposition {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return disposition{outcome: Failed, reason: ReasonPanic, err: err}
	case errors.Is(err, vendors.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return disposition{outcome: Unavailable, reason: ReasonAuthenticator, err: fmt.Errorf("webhook: the Authenticator: %w", err)}
	}
	v := disposition{outcome: Unauthenticated, reason: ReasonCredential, err: err}
	var reason signature.Reason
	if errors.As(err, &reason) {
		v.reason = Reason(reason)
	}
	return v
}

// identify reads the envelope, checks that it is fresh, and makes the delivery.
func (p *processing) identify(a *vendors.Authenticated) disposition {
	h := p.h
	envelope, err := h.envelope.Read(a.Body)
	a.Envelope, p.envelope = envelope, envelope
	p.sentAt = p.signedTime(a)
	p.delivery = h.newDelivery(a, p.arrived, p.sentAt)
	if err != nil {
		p.delivery.ID = a.Content()
		return disposition{outcome: Rejected, reason: ReasonNoObject, err: fmt.Errorf("webhook: authentic, but the body is not valid: %w", err)}
	}
	if err := p.setKeys(a); err != nil {
		return disposition{outcome: Failed, reason: ReasonPanic, err: err}
	}
	return p.checkFreshness()
}

// checkFreshness checks the time against the window. A type that the vendor does not document is unhandled, not refused, if
// its time is old or missing: the vendor's test event may have such a time.
func (p *processing) checkFreshness() disposition {
	h, eventType := p.h, p.delivery.Type
	if h.profile.Window == 0 {
		return disposition{}
	}
	if p.sentAt.IsZero() {
		switch {
		case !h.knownTypes[eventType]:
			return disposition{outcome: Unhandled, reason: ReasonNoTime}
		case !h.Handles(eventType):
			return disposition{}
		}
		return disposition{outcome: Rejected, reason: ReasonNoTime, err: p.envelope.NoTime(&h.profile)}
	}
	err := h.window.Check(p.sentAt, p.arrived)
	switch {
	case err == nil:
		return disposition{}
	case errors.Is(err, signature.Future):
		return disposition{outcome: Rejected, reason: ReasonFuture, err: err, after: p.sentAt.Sub(p.arrived.Add(h.window.Future))}
	case !h.knownTypes[eventType]:
		return disposition{outcome: Unhandled, reason: ReasonStale}
	default:
		return disposition{outcome: Rejected, reason: ReasonStale, err: err}
	}
}

// signedTime returns the time that is checked against the window.
func (p *processing) signedTime(a *vendors.Authenticated) time.Time {
	name := p.h.profile.TimeHeader
	if name == "" {
		return a.Envelope.Time
	}
	if values := a.Header[name]; len(values) == 1 {
		if t, err := signature.ParseUnix(values[0]); err == nil {
			return t
		}
	}
	return time.Time{}
}

// enqueue stores the delivery in the inbox.
func (p *processing) enqueue() disposition {
	var duplicate bool
	limit := min(p.h.options.StoreTimeout, time.Until(p.respondBy))
	err := deadline.Call(context.WithoutCancel(p.ctx), limit, func(ctx context.Context) (err error) {
		duplicate, err = p.h.options.Inbox.Enqueue(ctx, p.delivery)
		return err
	})
	switch {
	case errors.Is(err, ErrOtherContent) && duplicate: // in this order: after a timeout, Enqueue may still set duplicate
		return disposition{outcome: Stored, reason: ReasonOtherContent, err: err}
	case errors.Is(err, ErrInboxFull):
		return disposition{outcome: Unavailable, reason: ReasonInboxFull, err: err}
	case err != nil:
		return disposition{outcome: Unavailable, reason: ReasonInbox, err: fmt.Errorf("webhook: the inbox: %w", err)}
	case duplicate:
		return disposition{outcome: Stored, reason: ReasonStoredBefore}
	default:
		return disposition{outcome: Stored}
	}
}

// handle claims the delivery and runs its callback.
func (p *processing) handle() disposition {
	h := p.h
	if !h.Handles(p.delivery.Type) && (h.onAny == nil || p.undated()) {
		return h.unhandled(p.delivery.Type)
	}
	if h.running.Add(1) > int64(h.options.MaxRunning) {
		h.running.Add(-1)
		return disposition{outcome: Unavailable, reason: ReasonRunning, err: errors.New("webhook: more callbacks at once than Options.MaxRunning allows")}
	}
	started := false
	defer func() {
		if !started {
			h.running.Add(-1)
		}
	}()
	lease, v := p.claim()
	if v.final() {
		return v
	}
	p.countLast(lease)
	started = true // from here on the run releases the slot
	return p.await(p.start(p.detachedContext(), lease))
}

func (h *Handler) unhandled(eventType string) disposition {
	if h.knownTypes[eventType] {
		return disposition{outcome: Unhandled, reason: ReasonNoCallback}
	}
	return disposition{outcome: Unhandled, reason: ReasonUnknownType}
}

// undated reports whether the delivery has no time for the freshness check, although it needs one.
func (p *processing) undated() bool {
	return p.h.profile.Window > 0 && p.sentAt.IsZero() && !p.redelivered
}

// claim claims the delivery's keys. While the same delivery runs in this process, it waits until the response is due.
func (p *processing) claim() (*idempotency.Lease, disposition) {
	o := &p.h.options
	ends := p.arrived.Add(o.CallbackTimeout)
	request := idempotency.ClaimRequest{
		Keys:      p.delivery.Keys,
		Lease:     time.Until(ends) + leaseMargin,
		WaitUntil: p.respondBy,
		FailOpen:  o.DangerouslyFailOpen,
		Tag:       contentTag(p.delivery.Body),
	}
	if len(request.Keys) > 1 && !p.sentAt.IsZero() {
		// Until then, a replay of these bytes with another id would be fresh.
		request.RefusedLease = time.Until(p.sentAt.Add(p.h.window.Past)) + time.Second
	}
	lease, claim, err := p.h.guard.Acquire(p.detachedContext(), request)
	switch {
	case errors.Is(err, idempotency.ErrFull):
		return nil, disposition{outcome: Unavailable, reason: ReasonStoreFull, err: err}
	case err != nil:
		return nil, disposition{outcome: Unavailable, reason: ReasonStore, err: err}
	case claim.State == idempotency.Completed && claim.OtherTag:
		return nil, disposition{outcome: Duplicate, reason: ReasonOtherContent, err: ErrOtherContent}
	case claim.State == idempotency.Completed:
		return nil, disposition{outcome: Duplicate}
	case claim.State == idempotency.InFlight:
		return nil, disposition{outcome: InFlight, after: claim.Remaining}
	default:
		p.delivery.Attempt, p.failedOpen = lease.Attempt(), lease.FailedOpen()
		return lease, disposition{}
	}
}

// detachedContext returns a context that the sender's disconnect does not end. The caller of Redeliver can end it.
func (p *processing) detachedContext() context.Context {
	if p.redelivered {
		return p.ctx
	}
	return context.WithoutCancel(p.ctx)
}
