package webhook

import (
	"context"
	"time"
)

// maxMargin is the maximum time between the response and the deadline of a middleware or a platform. The response must be
// written before the middleware responds instead, or the platform ends the request.
const maxMargin = 500 * time.Millisecond

// arrive begins the times of a request.
func (h *Handler) arrive(ctx context.Context, r *Request) arrival {
	a := arrival{ctx: ctx, detached: context.WithoutCancel(ctx), at: time.Now()}
	a.respondBy = a.at.Add(h.options.ResponseTimeout)
	a.honorDeadline()
	h.extendWriteTimeout(&a, r)
	return a
}

// respondBefore makes the response due before end, with a margin of a quarter of the time left and at most maxMargin.
func (a *arrival) respondBefore(end time.Time) {
	left := end.Sub(a.at)
	if due := end.Add(-min(left/4, maxMargin)); due.Before(a.respondBy) {
		a.respondBy = due
	}
}

// honorDeadline makes the response due before the deadline of the request's context. It ignores a deadline before the
// arrival, because some platforms pass contexts that ended in 1970.
func (a *arrival) honorDeadline() {
	end, ok := a.ctx.Deadline()
	switch {
	case !ok:
	case end.After(a.at):
		a.respondBefore(end)
	default:
		a.ctx = a.detached
	}
}

// writeSlack is the time for writing a response after it was due.
const writeSlack = 5 * time.Second

// extendWriteTimeout extends an http.Server.WriteTimeout that would close the connection before the response is due. If a
// middleware hides the connection, it makes the response due before the WriteTimeout. It logs a warning once.
func (h *Handler) extendWriteTimeout(a *arrival, r *Request) {
	if r.server == nil {
		return
	}
	limit, own := r.server.WriteTimeout, h.options.ResponseTimeout
	if limit <= 0 || limit > own {
		return
	}
	extended := r.setWriteDeadline(a.at.Add(own + writeSlack))
	text := "webhook: http.Server.WriteTimeout must be longer than Options.ResponseTimeout; the handler extends it for its own responses"
	if !extended {
		a.respondBefore(a.at.Add(limit))
		text = "webhook: http.Server.WriteTimeout must be longer than Options.ResponseTimeout; a middleware hides the connection, so the handler responds before WriteTimeout"
	}
	h.writeTimeoutNoticed.Do(func() {
		h.notice(a.ctx, text, "http.Server.WriteTimeout", limit.String(), "Options.ResponseTimeout", own.String())
	})
}
