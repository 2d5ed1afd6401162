package webhook

import (
	"context"
	"net"
	"net/http"
	"time"
)

// NewServer returns an [http.Server] whose limits hold against senders that stall, flood or stay. As with
// [http.ListenAndServe], a nil handler is [http.DefaultServeMux]. Change what you need to before the server is started:
//
//	ReadHeaderTimeout  5 s     for the headers, from the first byte of a request, or the connection
//	ReadTimeout        10 s    for headers and body, also of requests to other handlers; a [Handler] has Options.BodyTimeout
//	WriteTimeout       40 s    must be longer than Options.ResponseTimeout of every handler
//	IdleTimeout        20 s    behind a load balancer: longer than its own, which is 60 s for AWS
//	MaxHeaderBytes     32 KiB  net/http adds 4 KiB
//	ConnContext                lets a [Handler] end a read of the body behind middleware that hides the connection
//
// A middleware hides the connection if its ResponseWriter has no Unwrap method, like that of [http.TimeoutHandler]. A
// [Handler] then ends a read of the body by the connection that ConnContext passes on. On a server without this
// ConnContext, only http.Server.ReadTimeout ends it. The handler returns no earlier, because net/http removes that
// deadline when a handler returns during a read. Without a ReadTimeout, a sender that stalls keeps the connection for as
// long as it likes, and the handler warns once.
//
// It does not limit the number of connections: an idle one takes about 20 KiB.
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

// connKey is the key of the connection in the contexts of its requests.
type connKey struct{}

// setReadDeadline reports whether the connection will end a read of the body at t.
func (r *Request) setReadDeadline(t time.Time) bool {
	return r.readDeadline != nil && r.readDeadline(t) == nil || r.reachesConn() && r.conn.SetReadDeadline(t) == nil
}

// setWriteDeadline reports whether the connection will end a write of the response at t.
func (r *Request) setWriteDeadline(t time.Time) bool {
	return r.writeDeadline != nil && r.writeDeadline(t) == nil || r.reachesConn() && r.conn.SetWriteDeadline(t) == nil
}

// reachesConn reports whether the connection is known and still that of the request: a middleware may have responded.
func (r *Request) reachesConn() bool { return r.conn != nil && r.ctx.Err() == nil }

// awaitRead waits until http.Server.ReadTimeout ends a read of the body that nothing else can end. If a handler of HTTP/1
// returns before, net/http removes that deadline, and then reads on for as long as the sender keeps the connection.
// See https://go.dev/issue/78939.
func (h *Handler) awaitRead(ctx context.Context, r *Request, connection *http.ResponseController) {
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
			h.notice(ctx, "webhook: a middleware hides the connection, so a sender that stalls keeps it open; use webhook.NewServer, or set http.Server.ReadTimeout")
		})
		return
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < limit {
		return // a middleware would respond in our place
	}
	_ = connection.Flush()                     // the sender should not wait for it
	ended := time.NewTimer(limit + writeSlack) // for what is no connection of that server
	defer ended.Stop()
	select {
	case <-r.copied:
	case <-ended.C:
	case <-ctx.Done():
	}
}
