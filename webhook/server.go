package webhook

import (
	"context"
	"net"
	"net/http"
	"time"
)

// NewServer returns an [http.Server] with limits against slow senders and floods of requests. As with
// [http.ListenAndServe], a nil handler means [http.DefaultServeMux]. Its fields may be changed before the server starts:
//
//	ReadHeaderTimeout  5 s     for the headers, from the first byte of a request, or from the start of the connection
//	ReadTimeout        10 s    for headers and body, for all handlers; a [Handler] replaces it by Options.BodyTimeout
//	WriteTimeout       40 s    must be longer than Options.ResponseTimeout of every handler
//	IdleTimeout        20 s    must be longer than the idle timeout of a load balancer in front, which is 60 s for AWS
//	MaxHeaderBytes     32 KiB  net/http adds 4 KiB
//	ConnContext                lets a [Handler] end a read of the body if a middleware hides the connection
//
// A middleware hides the connection if its ResponseWriter has no Unwrap method, such as that of [http.TimeoutHandler].
// ConnContext passes the connection to the [Handler], which can then end a read of the body. Without this ConnContext, only
// http.Server.ReadTimeout ends such a read, and the handler returns only then: if it returned earlier, net/http would
// remove that deadline. Without a ReadTimeout, a stalled sender keeps the connection open without a limit. The handler
// logs a Warning about this once.
//
// The server does not limit the number of connections. An idle connection takes about 20 KiB.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      40 * time.Second,
		IdleTimeout:       20 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// connKey is the context key of a request's connection.
type connKey struct{}

// setReadDeadline makes a read of the body end at t. It reports whether it could.
func (r *Request) setReadDeadline(t time.Time) bool {
	return r.connection != nil && r.connection.SetReadDeadline(t) == nil || r.reachesConn() && r.conn.SetReadDeadline(t) == nil
}

// setWriteDeadline makes a write of the response end at t. It reports whether it could.
func (r *Request) setWriteDeadline(t time.Time) bool {
	return r.connection != nil && r.connection.SetWriteDeadline(t) == nil || r.reachesConn() && r.conn.SetWriteDeadline(t) == nil
}

// reachesConn reports whether the connection is known and still belongs to this request. It does not once a middleware has
// responded.
func (r *Request) reachesConn() bool { return r.conn != nil && r.ctx.Err() == nil }

// awaitRead waits until http.Server.ReadTimeout ends a read of the body that nothing else can end. If an HTTP/1 handler
// returned earlier, net/http would remove that deadline and would read for as long as the sender keeps the connection open.
// See https://go.dev/issue/78939.
func (h *Handler) awaitRead(ctx context.Context, r *Request) {
	select {
	case <-r.copied:
		return
	default:
	}
	if r.server == nil {
		return
	}
	limit := r.server.ReadTimeout
	if limit <= 0 {
		h.stallNoticed.Do(func() {
			h.notice(ctx, "webhook: a middleware hides the connection, so a stalled sender can keep it open without a limit; use webhook.NewServer, or set http.Server.ReadTimeout")
		})
		return
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < limit {
		return // a middleware would respond first
	}
	_ = r.connection.Flush()                   // the sender gets the response now
	ended := time.NewTimer(limit + writeSlack) // the body may not come from a connection of that server
	defer ended.Stop()
	select {
	case <-r.copied:
	case <-ended.C:
	case <-ctx.Done():
	}
}
