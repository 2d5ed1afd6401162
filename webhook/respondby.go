package webhook

import (
	"context"
	"time"
)

// maxMargin is the maximum time between the response and the deadline of a middleware or a platform. The response must be
// written before the middleware responds instead, or the platform ends the request.
const maxMargin = 500 * time.Millisecond

// respondBefore makes the response due before end, with a margin of a quarter of the time left and at most maxMargin.
func (p *processing) respondBefore(end time.Time) {
	left := end.Sub(p.arrived)
	if due := end.Add(-min(left/4, maxMargin)); due.Before(p.respondBy) {
		p.respondBy = due
	}
}

// honorDeadline makes the response due before the deadline of the request's context. It ignores a deadline before the
// arrival, because some platforms pass contexts that ended in 1970.
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

// writeSlack is the time for writing a response after it was due.
const writeSlack = 5 * time.Second

// extendWriteTimeout extends an http.Server.WriteTimeout that would close the connection before the response is due. If a
// middleware hides the connection, it makes the response due before the WriteTimeout. It logs a warning once.
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

// status returns the status of the response, or zero if the sender gets no response from us: see [Observation.Status].
func (p *processing) status(v disposition, late bool) int {
	if late || p.redelivered || p.ctx.Err() != nil {
		return 0
	}
	return ruleOf(v.outcome, v.reason).status
}
