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

// A Request is a delivery as it came in, from whatever server. Nothing in it is kept: once the handler has answered, the
// server may use the memory of its strings again, although a callback goes on.
type Request struct {
	// Method is the HTTP method; empty means POST.
	Method string

	// URL may carry a credential in its path or query. Nil if there is none to read.
	URL *url.URL

	// Header holds the headers as received; names are brought into their canonical form.
	Header http.Header

	// Body is the body exactly as received; nil is an empty one. Gateways that hand it over in base64 need it decoded.
	Body io.Reader

	// ContentLength is the declared length of the body in bytes; zero or less if it is not known.
	ContentLength int64

	forAuthenticator vendors.Request

	readDeadline  func(time.Time) error // nil where there is no connection
	writeDeadline func(time.Time) error
	server        *http.Server    // nil unless it is known
	conn          net.Conn        // nil unless it is known, and has no other request until ctx ends
	ctx           context.Context // of the request to conn
	copied        chan struct{}   // set where nothing ends a read of the body; closed once no read goes on
}

// shown returns what an Authenticator sees of the request.
func (r *Request) shown() *vendors.Request {
	r.forAuthenticator = vendors.Request{Method: r.Method, URL: r.URL, Header: r.Header, ContentLength: r.ContentLength}
	return &r.forAuthenticator
}

// A Result is what became of a delivery, and what to answer.
type Result struct {
	Status     int
	Body       []byte        // JSON, one of three fixed texts; do not change it. Empty with ReasonEndpointCheck
	RetryAfter time.Duration // whole seconds, but exact from Redeliver; zero: no Retry-After header
	Close      bool          // the connection should be closed: part of the body is still in it

	Outcome  Outcome
	Reason   Reason
	Err      error     // for the log, never for the sender
	Delivery *Delivery // nil unless the delivery was authentic

	allow string // the methods of a 405
}

var (
	bodyReceived  = []byte(`{"received":true}`)
	bodyDuplicate = []byte(`{"received":true,"duplicate":true}`)
	bodyRefused   = []byte(`{"received":false}`)
)

// Header returns the headers of the answer.
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

// lingering is how long a connection is read, up to net/http's 256 KiB, once a body has been refused.
const lingering = 500 * time.Millisecond

// ServeHTTP receives one delivery and answers it by the outcome contract. It reads URL.Path, URL.RawQuery, the headers
// and the body, so any router will do that leaves those alone; the body must not have been read before.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := http.NewResponseController(w)
	request := Request{
		Method:        r.Method,
		URL:           r.URL,
		Header:        r.Header,
		Body:          r.Body,
		ContentLength: r.ContentLength,
		readDeadline:  connection.SetReadDeadline,
		writeDeadline: connection.SetWriteDeadline,
	}
	request.server, _ = r.Context().Value(http.ServerContextKey).(*http.Server)
	if r.ProtoMajor == 1 {
		request.ctx = r.Context()
		request.conn, _ = request.ctx.Value(connKey{}).(net.Conn)
	}
	result := h.process(r.Context(), &request)
	if result.Close {
		// The server reads on for a while, because a connection that is closed with part of the body still in it may
		// take the answer down with it. It must not do so at the sender's pace.
		request.setReadDeadline(time.Now().Add(lingering))
	}
	result.setHeader(w.Header())
	w.WriteHeader(result.Status)
	_, _ = w.Write(result.Body) // a sender that has gone will send again
	if request.copied != nil && r.ProtoMajor == 1 {
		h.awaitRead(r.Context(), &request, connection)
	}
}

// Process receives one delivery without a socket: for serverless functions and other servers. It waits as long as
// ServeHTTP would. If ctx has an earlier deadline it returns before that, with a margin of a quarter of the time left and
// at most 500 ms. The callback goes on after either, and may ask ctx for values then. A Body that can block and has missed
// Options.BodyTimeout is read from until that read ends.
func (h *Handler) Process(ctx context.Context, r Request) Result {
	r.Header = canonical(r.Header)
	r.readDeadline, r.writeDeadline, r.server, r.conn, r.copied = nil, nil, nil, nil, nil
	return h.process(ctx, &r)
}

// canonical returns header with all names in their canonical form. Values of names that become the same are joined in
// one list, so that what must be single is seen to be double.
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
