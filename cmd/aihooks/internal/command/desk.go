package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/live"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/webhook"
)

// A desk is where deliveries are received, shown and saved.
type desk struct {
	app     *app
	options *listening
	vendors map[string]http.HandlerFunc // by name
	ring    *live.Ring

	secrets []string   // which no header may have in it
	showing sync.Mutex // one delivery is shown at a time
}

// unverified is the verdict on deliveries of a vendor whose secret is not known.
const unverified = "unverified"

// mount has a vendor's deliveries received, and returns what they are verified by.
func (d *desk) mount(v *vendors.Vendor, base string) (verifiedBy string, err error) {
	secret, from, err := d.app.secret(v)
	if err != nil {
		return "", err
	}
	verified := from != ""
	if !verified {
		from = "no: " + secretName(v) + " is not set"
		secret = nobodysSecret()
	}
	d.secrets = append(d.secrets, secret.Reveal())
	h, err := v.New(secret.Reveal(), &webhook.Options{
		Logger: slog.New(slog.DiscardHandler), MaxBody: maxCaptured, ReadBudget: webhook.NewReadBudget(2 * maxCaptured),
	})
	if err != nil {
		return "", err
	}
	h.OnEach(ignore)
	h.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	d.vendors[v.Name()] = func(w http.ResponseWriter, r *http.Request) { d.receive(w, r, v, h, verified, base) }
	return from, nil
}

// ServeHTTP receives what is sent to /webhooks/VENDOR or /VENDOR, with anything below. Slashes may be doubled, as by a base
// URL that ends in one: http.ServeMux would redirect, which no vendor follows.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	vendor, _ := d.split(r.URL.Path)
	receive, ok := d.vendors[vendor]
	if !ok {
		receive = d.nobody
	}
	receive(w, r)
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

// patience is how long a body may take.
const bodyPatience = 10 * time.Second

// receive judges one delivery, answers it, shows it and saves it.
func (d *desk) receive(w http.ResponseWriter, r *http.Request, v *vendors.Vendor, h vendors.Handler, verified bool, base string) {
	arrived := time.Now()
	_ = http.NewResponseController(w).SetReadDeadline(arrived.Add(bodyPatience)) // it can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCaptured))
	if err != nil {
		status := http.StatusBadRequest
		if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the body cannot be read", status)
		d.app.notef("%s  %s  %d  a body could not be read: %s", when(arrived), v.Name(), status, printable(err.Error()))
		return
	}
	request := func() webhook.Request {
		return webhook.Request{Method: r.Method, URL: r.URL, Header: r.Header, Body: bytes.NewReader(body), ContentLength: r.ContentLength}
	}
	c := &capture.Capture{Vendor: v.Name(), Arrived: arrived, Method: r.Method, Header: capture.Header(r.Header, d.private(r)...), Body: body}
	if verified || r.Method != http.MethodPost {
		result := h.Process(r.Context(), request())
		c.Outcome, c.Reason, c.Status = string(result.Outcome), string(result.Reason), result.Status
		if result.Delivery != nil {
			c.Type, c.ID = result.Delivery.Type, result.Delivery.ID
		}
		if result.Status != http.StatusOK {
			c.Explanation = sentence(h.Explain(request(), arrived).Text)
		}
		maps.Copy(w.Header(), result.Header())
		w.WriteHeader(result.Status)
		_, _ = w.Write(result.Body) // a sender that has left is none of ours
	} else {
		c.Outcome, c.Status = unverified, http.StatusOK
		c.Explanation = "It was not verified: set " + secretName(v) + ", or name a file with --secret-file " + v.Name() + "=FILE."
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"received":true}`)
	}
	if c.Type == "" {
		c.Type = v.Signer(base, nobodysKey()).Type(body)
	}
	c.Type, c.ID = clip(c.Type, 200), clip(c.ID, 200) // a stranger's may be as long as the body
	d.show(c, base, time.Since(arrived))
}

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

// show shows a delivery, on the terminal and on the page, and saves it.
func (d *desk) show(c *capture.Capture, base string, lasted time.Duration) {
	d.showing.Lock()
	defer d.showing.Unlock()
	saved := ""
	if !d.options.noSave {
		var err error
		if saved, err = c.Save(d.options.folder); err != nil {
			d.app.notef("the delivery is not saved: %s", printable(err.Error()))
		}
	}
	d.ring.Add(detailOf(c, base, saved))
	if d.app.json {
		d.print(c, saved)
		return
	}
	a := d.app
	a.linef("%s  %s  %s  %s  %d  %s  %s", when(c.Arrived), a.paint(bold, c.Vendor), printable(clip(c.Type, 60)), a.paint(colourOf(c), c.Outcome), c.Status,
		a.paint(faint, took(lasted)), a.paint(faint, printable(clip(c.ID, shownIDs))))
	if c.Explanation != "" {
		for _, text := range wrap(printable(c.Explanation), a.width()-2) {
			a.linef("  %s", a.paint(colourOf(c), text))
		}
	}
	if saved != "" {
		a.linef("  %s", a.paint(faint, saved))
	}
	if !d.options.noBody && len(c.Body) > 0 {
		a.linef("%s", indent(preview(c.Body)))
	}
}

// print writes a delivery for programs, in one line.
func (d *desk) print(c *capture.Capture, saved string) {
	text, err := json.Marshal(c)
	if err != nil {
		d.app.notef("the delivery cannot be shown: %v", err)
		return
	}
	members := make(map[string]json.RawMessage)
	_ = json.Unmarshal(text, &members)       // it has just been made
	members["file"], _ = json.Marshal(saved) //nolint:errchkjson // a text
	if d.options.noBody {
		delete(members, "body")
		delete(members, "body_base64")
	}
	_ = d.app.writeJSON(members)
}

// preview returns as much of a body as does not fill the terminal. The file has it all.
func preview(body []byte) string {
	const longest, all = 8 << 10, 512 << 10
	text := pretty(body[:min(len(body), all)])
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "\n… and more, in the file"
}

func colourOf(c *capture.Capture) string {
	return map[page.Tone]string{page.Good: green, page.Warn: yellow, page.Bad: red, page.Idle: faint}[toneOf(c)]
}

func toneOf(c *capture.Capture) page.Tone {
	switch {
	case c.Outcome == unverified:
		return page.Warn
	case c.Outcome == string(webhook.Handled):
		return page.Good
	case c.Status < 300:
		return page.Idle
	case c.Status >= 500:
		return page.Warn
	default:
		return page.Bad
	}
}

// detailOf is a capture as the page shows it.
func detailOf(c *capture.Capture, base, saved string) page.Detail {
	d := page.Detail{
		Item: page.Item{
			Vendor: c.Vendor, Type: c.Type, Delivery: c.ID, At: c.Arrived, Verdict: c.Outcome, Tone: toneOf(c), Status: c.Status,
			Reason: c.Reason, Explanation: c.Explanation,
		},
		Method: c.Method, URL: base + "/webhooks/" + c.Vendor, Header: c.Header, Body: c.Body,
	}
	if saved != "" {
		d.Facts = []page.Fact{{Name: "Saved in", Value: saved}}
	}
	return d
}

// captureOf is the way back.
func captureOf(d *page.Detail) *capture.Capture {
	return &capture.Capture{Vendor: d.Vendor, Arrived: d.At, Method: d.Method, Header: d.Header, Body: d.Body, Type: d.Type, ID: d.Delivery}
}
