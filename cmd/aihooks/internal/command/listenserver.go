package command

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/webhook"
)

// A listenServer receives deliveries. It responds to each one before it shows and saves it; see record.
type listenServer struct {
	app     *app
	options *listenOptions
	base    string               // the URL of the listener
	vendors map[string]*endpoint // by name
	budget  *webhook.ReadBudget  // of all vendors
	secrets []string             // no shown or saved header may contain one
	ring    *live.Ring           // nil without a page
	backlog *backlog             // deliveries that have a response and are not shown yet
	saved   map[bool]int64       // bytes on disk; the key is whether the deliveries were accepted
}

// An endpoint receives the deliveries of one vendor.
type endpoint struct {
	vendor   *allvendors.Vendor
	handler  webhook.VendorHandler
	verified bool // its secret is known
}

// unverified is the outcome of a delivery of a vendor whose secret is unknown.
const unverified = "unverified"

// readBudget limits the memory of bodies that are being read, in bytes.
const readBudget = 16 << 20

func (a *app) newListenServer(o *listenOptions, base string) *listenServer {
	return &listenServer{
		app: a, options: o, base: base, vendors: make(map[string]*endpoint), budget: webhook.NewReadBudget(readBudget),
		backlog: newBacklog(), saved: make(map[bool]int64),
	}
}

// mount adds a vendor. It returns where the vendor's secret comes from, or a text that says that it is not set.
func (s *listenServer) mount(v *allvendors.Vendor) (verifiedBy string, err error) {
	secret, from, err := s.app.secret(v)
	if err != nil {
		return "", err
	}
	e := &endpoint{vendor: v, verified: from != ""}
	if !e.verified {
		from = "no: " + secretName(v) + " is not set"
		secret = randomSecret()
	}
	s.secrets = append(s.secrets, secret.Reveal())
	e.handler, err = v.NewHandler(secret.Reveal(), &webhook.Options{Logger: slog.New(slog.DiscardHandler), ReadBudget: s.budget, Observer: observe})
	if err != nil {
		return "", err
	}
	e.handler.OnEvent(ignore)
	e.handler.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	s.vendors[v.Name()] = e
	return from, nil
}

// observedKey is the context key of the *webhook.Observation that observe fills in.
type observedKey struct{}

// observe copies the observation of a request to the variable in its context.
func observe(ctx context.Context, o webhook.Observation) {
	if to, ok := ctx.Value(observedKey{}).(*webhook.Observation); ok && !o.Late {
		*to = o
	}
}

// ServeHTTP receives deliveries at /webhooks/VENDOR and /VENDOR, and at all paths below. It accepts doubled slashes, which a
// base URL with a final slash causes. http.ServeMux would redirect them, and no vendor follows a redirect.
func (s *listenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	vendor, _ := s.split(r.URL.Path)
	e, ok := s.vendors[vendor]
	switch {
	case isFromBrowser(r):
		s.refuseBrowser(w, r)
	case !ok:
		s.notFound(w, r)
	default:
		s.receive(w, r, e)
	}
}

// isFromBrowser reports whether a browser sent the request. Every POST of a browser has an Origin, also after DNS rebinding,
// and no vendor sends one. The Host cannot tell, because a tunnel forwards its public name.
func isFromBrowser(r *http.Request) bool {
	return r.Header["Origin"] != nil || r.Header["Sec-Fetch-Site"] != nil
}

// split returns the vendor that a path names, and the segments below it.
func (s *listenServer) split(path string) (vendor string, below []string) {
	segments := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if len(segments) > 1 && segments[0] == "webhooks" {
		segments = segments[1:]
	}
	if len(segments) == 0 {
		return "", nil
	}
	return segments[0], segments[1:]
}

func ignore(context.Context, webhook.AnyEvent) error { return nil }

// receive processes one delivery, responds, and enqueues it for record.
func (s *listenServer) receive(w http.ResponseWriter, r *http.Request, e *endpoint) {
	arrived := time.Now()
	o := new(webhook.Observation)
	request := r.WithContext(context.WithValue(r.Context(), observedKey{}, o))
	body := &keptBody{ReadCloser: r.Body}
	request.Body = body
	response := &heldResponse{ResponseWriter: w}
	e.handler.ServeHTTP(response, request)
	c := &capture.Capture{
		Vendor: e.vendor.Name(), Arrived: arrived, Method: r.Method, Body: body.kept, Outcome: string(o.Outcome), Reason: string(o.Reason), ID: o.ID,
	}
	if !e.verified && o.Outcome == webhook.Unauthenticated {
		c.Outcome, c.Reason = unverified, ""
		response.status, response.body = http.StatusOK, []byte(`{"received":true}`)
	}
	c.Status = response.status
	w.WriteHeader(response.status)
	_, _ = w.Write(response.body) // the sender may have disconnected
	switch o.Reason {
	case webhook.ReasonTooLarge, webhook.ReasonSlow, webhook.ReasonCutOff, webhook.ReasonLength,
		webhook.ReasonReading, webhook.ReasonEvicted:
		s.app.notef("%s  %s  %d  %s  %s", when(arrived), c.Vendor, c.Status, c.Outcome, printable(clip(o.Err.Error(), 200)))
	default:
		s.enqueue(&record{capture: c, endpoint: e, request: r, took: time.Since(arrived)})
	}
}

// A keptBody keeps a copy of what is read from it.
type keptBody struct {
	io.ReadCloser

	kept []byte
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.kept = append(b.kept, p[:n]...)
	return n, err
}

// A heldResponse buffers the status and the body of a response, so that receive can change them.
type heldResponse struct {
	http.ResponseWriter

	status int
	body   []byte
}

func (h *heldResponse) WriteHeader(status int) { h.status = status }

func (h *heldResponse) Write(p []byte) (int, error) {
	h.body = append(h.body, p...)
	return len(p), nil
}

// Unwrap lets the handler reach the connection.
func (h *heldResponse) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// private returns the texts that no shown or saved header may contain: the secrets, and all parts of the URL that may be a
// token, even an unknown one.
func (s *listenServer) private(r *http.Request) []string {
	private := slices.Clone(s.secrets)
	_, below := s.split(r.URL.Path)
	private = append(private, below...)
	for _, values := range r.URL.Query() {
		private = append(private, values...)
	}
	return slices.DeleteFunc(private, func(s string) bool { return len(s) < shortestToken })
}

// shortestToken excludes short parts of a URL: "a" in a path would remove every header that contains an "a".
const shortestToken = 6

// notFound responds to a request whose path names no vendor.
func (s *listenServer) notFound(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "no vendor is mounted at this path", http.StatusNotFound)
	s.app.notef("%s  %s %s  404: deliveries go to /webhooks/VENDOR", when(time.Now()), r.Method, printable(firstSegment(r.URL.Path)))
}

// refuseBrowser responds 403, so that a web page cannot add a delivery.
func (s *listenServer) refuseBrowser(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "deliveries from browsers are refused", http.StatusForbidden)
	s.app.notef("%s  %s %s  403: sent by a browser, from %s", when(time.Now()), r.Method, printable(firstSegment(r.URL.Path)),
		printable(clip(cmp.Or(r.Header.Get("Origin"), "an unknown page"), 100)))
}

// firstSegment returns the first segment of a path, without anything that may be a token.
func firstSegment(path string) string {
	first, _, more := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch {
	case len(first) > 15:
		return "/…"
	case more:
		return "/" + first + "/…"
	default:
		return "/" + first
	}
}
