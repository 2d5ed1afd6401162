package webhook

import (
	"context"
	"time"
)

// maxMargin is how long before somebody else's deadline a delivery is responded to, at most: the response must get
// through before a middleware responds in its place, or a platform ends the request.
const maxMargin = 500 * time.Millisecond

// respondBefore makes the response due with a margin before end, a deadline that others have set: a quarter of the time
// that they leave, and at most maxMargin.
func (p *processing) respondBefore(end time.Time) {
	left := end.Sub(p.arrived)
	if due := end.Add(-min(left/4, maxMargin)); due.Before(p.respondBy) {
		p.respondBy = due
	}
}

// honorDeadline makes the response due before the deadline of the request's context. A deadline that had passed at the
// arrival is none: some platforms hand over contexts that end in 1970.
func (p *processing) honorDeadline() {
	end, ok := p.ctx.Deadline()
	switch {
	case !ok:
	case end.After(p.arrived):
		p.respondBefore(end)
	default:
		p.ctx = context.WithoutCancel(p.ctx)
	}
}

// writeSlack is how long after it was due a response may still be written.
const writeSlack = 5 * time.Second

// extendWriteTimeout keeps an http.Server.WriteTimeout that ends before the response is due from closing the connection
// without one. Where a middleware hides the connection, the response is due before that. The log says so once.
func (p *processing) extendWriteTimeout(r *Request) {
	if r.server == nil {
		return
	}
	limit, own := r.server.WriteTimeout, p.h.options.ResponseTimeout
	if limit <= 0 || limit > own {
		return
	}
	extended := r.setWriteDeadline(p.arrived.Add(own + writeSlack))
	text := "webhook: http.Server.WriteTimeout must be longer than Options.ResponseTimeout; the handler extends it for its own responses"
	if !extended {
		p.respondBefore(p.arrived.Add(limit))
		text = "webhook: http.Server.WriteTimeout must be longer than Options.ResponseTimeout; a middleware hides the connection, so the handler responds before WriteTimeout"
	}
	p.h.writeTimeoutNoticed.Do(func() {
		p.h.notice(p.ctx, text, "http.Server.WriteTimeout", limit.String(), "Options.ResponseTimeout", own.String())
	})
}

// status returns the status of the response that the sender gets. It is zero where it gets none from us: see
// [Observation.Status].
func (p *processing) status(v disposition, late bool) int {
	if late || p.redelivered || p.ctx.Err() != nil {
		return 0
	}
	return ruleOf(v.outcome, v.reason).status
}
