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
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/live"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/webhook"
)

// A desk receives deliveries. It responds to each before it is shown and saved; see record.
type desk struct {
	app     *app
	options *listening
	base    string               // the URL of the listener
	vendors map[string]*endpoint // by name
	budget  *webhook.ReadBudget  // of all vendors
	secrets []string             // which no header may have in it
	ring    *live.Ring           // nil without a page
	backlog *backlog             // deliveries that have been responded to and not yet been shown
	saved   map[bool]int64       // bytes on disk, by whether the deliveries were accepted
}

// An endpoint receives the deliveries of one vendor.
type endpoint struct {
	vendor   *vendors.Vendor
	handler  vendors.Handler
	verified bool // its secret is known
}

// unverified is the verdict on deliveries of a vendor whose secret is not known.
const unverified = "unverified"

// readBudget bounds the memory of the bodies that are being read.
const readBudget = 16 << 20

func (a *app) newDesk(o *listening, base string) *desk {
	return &desk{
		app: a, options: o, base: base, vendors: make(map[string]*endpoint), budget: webhook.NewReadBudget(readBudget),
		backlog: newBacklog(), saved: make(map[bool]int64),
	}
}

// mount has a vendor's deliveries received, and returns what they are verified by.
func (d *desk) mount(v *vendors.Vendor) (verifiedBy string, err error) {
	secret, from, err := d.app.secret(v)
	if err != nil {
		return "", err
	}
	e := &endpoint{vendor: v, verified: from != ""}
	if !e.verified {
		from = "no: " + secretName(v) + " is not set"
		secret = nobodysSecret()
	}
	d.secrets = append(d.secrets, secret.Reveal())
	e.handler, err = v.New(secret.Reveal(), &webhook.Options{Logger: slog.New(slog.DiscardHandler), ReadBudget: d.budget, Observer: observe})
	if err != nil {
		return "", err
	}
	e.handler.OnEvent(ignore)
	e.handler.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	d.vendors[v.Name()] = e
	return from, nil
}

// observedKey is the context's key of the *webhook.Observation that observe fills in.
type observedKey struct{}

// observe passes the observation of a request on to the one who made its context.
func observe(ctx context.Context, o webhook.Observation) {
	if to, ok := ctx.Value(observedKey{}).(*webhook.Observation); ok && !o.Late {
		*to = o
	}
}

// ServeHTTP receives what is sent to /webhooks/VENDOR or /VENDOR, with anything below. Slashes may be doubled, as by a base
// URL that ends in one: http.ServeMux would redirect, which no vendor follows.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	vendor, _ := d.split(r.URL.Path)
	e, ok := d.vendors[vendor]
	switch {
	case isFromBrowser(r):
		d.refuseBrowser(w, r)
	case !ok:
		d.nobody(w, r)
	default:
		d.receive(w, r, e)
	}
}

// isFromBrowser reports whether a browser sent the request. Every POST of a browser has an Origin, after DNS rebinding too.
// No vendor sends one. The Host decides nothing, because a tunnel passes on its public name.
func isFromBrowser(r *http.Request) bool {
	return r.Header["Origin"] != nil || r.Header["Sec-Fetch-Site"] != nil
}

// split returns the vendor that a path names, and what is below it.
func (d *desk) split(path string) (vendor string, below []string) {
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

// receive judges one delivery and responds to it.
func (d *desk) receive(w http.ResponseWriter, r *http.Request, e *endpoint) {
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
	_, _ = w.Write(response.body) // a sender that has left is none of ours
	switch o.Reason {
	case webhook.ReasonTooLarge, webhook.ReasonSlow, webhook.ReasonCutOff, webhook.ReasonLength,
		webhook.ReasonReading, webhook.ReasonEvicted:
		d.app.notef("%s  %s  %d  %s  %s", when(arrived), c.Vendor, c.Status, c.Outcome, printable(clip(o.Err.Error(), 200)))
	default:
		d.enqueue(&record{capture: c, endpoint: e, request: r, took: time.Since(arrived)})
	}
}

// A keptBody keeps what is read from it.
type keptBody struct {
	io.ReadCloser

	kept []byte
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.kept = append(b.kept, p[:n]...)
	return n, err
}

// A heldResponse keeps the status and the body of a response, which may still be changed.
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

// private returns what no header that is shown or saved may have in it: the secrets, and what may be a token in the URL,
// known or not.
func (d *desk) private(r *http.Request) []string {
	private := slices.Clone(d.secrets)
	_, below := d.split(r.URL.Path)
	private = append(private, below...)
	for _, values := range r.URL.Query() {
		private = append(private, values...)
	}
	return slices.DeleteFunc(private, func(s string) bool { return len(s) < shortestToken })
}

// shortestToken keeps "a" in a path from taking every header that has an "a" in it.
const shortestToken = 6

// nobody answers what is for no vendor.
func (d *desk) nobody(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "no vendor's deliveries are received here", http.StatusNotFound)
	d.app.notef("%s  %s %s  404: deliveries go to /webhooks/VENDOR", when(time.Now()), r.Method, printable(firstSegment(r.URL.Path)))
}

// refuseBrowser keeps a web page from planting a delivery.
func (d *desk) refuseBrowser(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "deliveries of browsers are not received here", http.StatusForbidden)
	d.app.notef("%s  %s %s  403: a browser sent it, from %s", when(time.Now()), r.Method, printable(firstSegment(r.URL.Path)),
		printable(clip(cmp.Or(r.Header.Get("Origin"), "a page that is not named"), 100)))
}

// firstSegment leaves out what may be a token.
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
