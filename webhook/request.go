package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Request is an HTTP request from any server. The handler keeps no part of it after the response, even while a callback
// is still running. The server may then reuse the memory of its strings.
type Request struct {
	// Method is the HTTP method; empty means POST.
	Method string

	// URL may have a credential in its path or query. It may be nil.
	URL *url.URL

	// Header holds the headers as received. Process converts the names to their canonical form.
	Header http.Header

	// Body is the body exactly as received; nil means empty. If a gateway passes it in base64, decode it first.
	Body io.Reader

	// ContentLength is the declared length of the body in bytes. Zero or less means unknown.
	ContentLength int64

	forAuthenticator vendors.Request
	received         *http.Request // nil for Process

	connection *http.ResponseController // nil without a connection
	server     *http.Server             // nil if unknown
	conn       net.Conn                 // nil if unknown; it belongs to this request until ctx ends
	ctx        context.Context          // the request's context, set with conn
	copied     chan struct{}            // set if nothing can end a read of the body; closed once the last read has returned
}

// shown returns the part of the request that an Authenticator gets.
func (r *Request) shown(arrived time.Time) *vendors.Request {
	r.forAuthenticator = vendors.Request{Method: r.Method, URL: r.URL, Header: r.Header, ContentLength: r.ContentLength, ArrivedAt: arrived, Received: r.received}
	return &r.forAuthenticator
}

// A Result has the outcome of a delivery and the response to it.
type Result struct {
	Status     int
	Body       []byte        // one of three fixed JSON texts, which must not be changed; empty with ReasonEndpointCheck
	RetryAfter time.Duration // in whole seconds, but exact from Redeliver; zero means no Retry-After header
	Close      bool          // close an HTTP/1 connection, because part of the body is unread

	Outcome  Outcome
	Reason   Reason
	Err      error     // for the log; the sender must not get it
	Delivery *Delivery // nil unless the delivery was authentic

	allow string // methods for the Allow header of a 405
}

var (
	bodyReceived  = []byte(`{"received":true}`)
	bodyDuplicate = []byte(`{"received":true,"duplicate":true}`)
	bodyRefused   = []byte(`{"received":false}`)
)

// Header returns the headers of the response.
func (r *Result) Header() http.Header {
	h := make(http.Header, 4)
	r.setHeader(h)
	return h
}

// setHeader sets no Content-Length: a middleware may compress the body, or add to it. It shares no values between
// responses, because a middleware may change them in place.
func (r *Result) setHeader(h http.Header) {
	if len(r.Body) > 0 {
		h["Content-Type"] = []string{"application/json"}
	}
	if r.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(int64(r.RetryAfter/time.Second), 10)}
	}
	if r.allow != "" {
		h["Allow"] = []string{r.allow}
	}
	if r.Close {
		h["Connection"] = []string{"close"}
	}
}

// lingering is the maximum time for which net/http reads the rest of a refused body, up to 256 KiB.
const lingering = 500 * time.Millisecond

// ServeHTTP processes one delivery and responds by the outcome contract. It reads URL.Path, URL.RawQuery, the headers and
// the body. Routers and middleware must not change these, and must not read the body.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := Request{
		Method:        r.Method,
		URL:           r.URL,
		Header:        r.Header,
		Body:          r.Body,
		ContentLength: r.ContentLength,
		connection:    http.NewResponseController(w),
		received:      r,
	}
	request.server, _ = r.Context().Value(http.ServerContextKey).(*http.Server)
	if r.ProtoMajor == 1 {
		request.ctx = r.Context()
		request.conn, _ = request.ctx.Value(connKey{}).(net.Conn)
	}
	result := h.process(r.Context(), &request)
	result.Close = result.Close && r.ProtoMajor == 1 // net/http would end an HTTP/2 connection, which others may share
	if result.Close {
		// The server reads the rest of the body before it closes the connection: otherwise the sender may get a connection
		// reset instead of the response. A slow sender must not make that read last.
		request.setReadDeadline(time.Now().Add(lingering))
	}
	result.setHeader(w.Header())
	w.WriteHeader(result.Status)
	_, _ = w.Write(result.Body) // a sender that has gone will send again
	if request.copied != nil && r.ProtoMajor == 1 {
		h.awaitRead(r.Context(), &request)
	}
}

// Process processes one delivery without a socket, for serverless functions and other servers. It returns when ServeHTTP
// would respond. If ctx has an earlier deadline, Process returns before it, by a quarter of the time left and at most
// 500 ms. The callback may go on after Process returns, and may then read values from ctx. If a Body blocks past
// Options.BodyTimeout, one Read of it goes on after Process returns.
func (h *Handler) Process(ctx context.Context, r Request) Result {
	r.Header = canonical(r.Header)
	r.connection, r.server, r.conn, r.copied, r.received = nil, nil, nil, nil, nil
	return h.process(ctx, &r)
}

// canonical returns header with all names in their canonical form. It joins the values of names that become equal, so that
// a repeated header is detected.
func canonical(header http.Header) http.Header {
	clean := true
	for name := range header {
		if name != http.CanonicalHeaderKey(name) {
			clean = false
			break
		}
	}
	if clean {
		return header
	}
	out := make(http.Header, len(header))
	for name, values := range header {
		name = http.CanonicalHeaderKey(name)
		out[name] = append(out[name], values...)
	}
	return out
}
