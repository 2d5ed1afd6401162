package command

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

// The limits of what listen keeps. Deliveries that were not accepted may use only a part, because anyone can send them.
const (
	block = 4 << 10 // bytes that a delivery counts for at least

	maxBacklog        = 16 << 20 // bytes in memory
	maxRefusedBacklog = maxBacklog / 2
	maxSaved          = 1 << 30 // bytes on disk, in one run
	maxRefusedSaved   = 64 << 20
)

// A record is a delivery that has a response.
type record struct {
	capture  *capture.Capture
	endpoint *endpoint
	request  *http.Request
	took     time.Duration
}

// size returns about how many bytes of memory the record uses.
func (r *record) size() int64 {
	n := len(r.capture.Body) + len(r.request.RequestURI)
	for name, values := range r.request.Header {
		n += 2 * len(name) // the page keeps a copy
		for _, value := range values {
			n += 2 * len(value)
		}
	}
	return max(int64(n), block)
}

// A backlog has the deliveries that are not shown yet.
type backlog struct {
	records chan *record
	size    atomic.Int64 // bytes of the records
	dropped atomic.Int64 // records since the last notice
	noticed time.Time    // time of the last notice
	end     chan struct{}
	ended   chan struct{}
}

func newBacklog() *backlog {
	return &backlog{records: make(chan *record, maxBacklog/block), end: make(chan struct{}), ended: make(chan struct{})}
}

// enqueue adds a record to the backlog. It never blocks, and drops a record that exceeds the limit.
func (s *listenServer) enqueue(r *record) {
	limit, size := int64(maxRefusedBacklog), r.size()
	if r.capture.Accepted() {
		limit = maxBacklog
	}
	if s.backlog.size.Add(size) > limit {
		s.backlog.size.Add(-size)
		s.backlog.dropped.Add(1)
		return
	}
	s.backlog.records <- r // never blocks: there is a slot for each block
}

// record shows and saves deliveries, one at a time, until finish is called.
func (s *listenServer) record() {
	defer close(s.backlog.ended)
	for {
		select {
		case r := <-s.backlog.records:
			s.recordOne(r)
		case <-s.backlog.end:
			for len(s.backlog.records) > 0 {
				s.recordOne(<-s.backlog.records)
			}
			return
		}
	}
}

// finish stops record after it has shown and saved the backlog.
func (s *listenServer) finish() {
	close(s.backlog.end)
	<-s.backlog.ended
}

func (s *listenServer) recordOne(r *record) {
	defer s.backlog.size.Add(-r.size())
	c := r.capture
	c.Header = capture.Header(r.request.Header, s.private(r.request)...)
	switch {
	case c.Outcome == unverified:
		name := r.endpoint.vendor.Name()
		c.Explanation = "It was not verified: set " + secretName(r.endpoint.vendor) + " or --secret-file " + name + "=FILE."
	case c.Status != http.StatusOK:
		c.Explanation = sentence(r.endpoint.handler.Explain(webhook.Request{
			Method: r.request.Method, URL: r.request.URL, Header: r.request.Header, Body: bytes.NewReader(c.Body), ContentLength: r.request.ContentLength,
		}, c.Arrived).Text)
	case c.Outcome != string(webhook.Handled):
		c.Explanation, _ = webhook.Outcome(c.Outcome).Help()
		if means, _ := webhook.Reason(c.Reason).Help(); means != "" {
			c.Explanation = means
		}
	}
	c.Type = clip(r.endpoint.vendor.Signer(s.base, randomKey()).Type(c.Body), 200) // a sender may make it as long as the body
	s.show(c, r.took)
	s.noticeDropped()
}

// noticeDropped reports how many records were dropped, at most every 10 s during a flood and once after it.
func (s *listenServer) noticeDropped() {
	b := s.backlog
	if len(b.records) > 0 && time.Since(b.noticed) < 10*time.Second {
		return
	}
	if n := b.dropped.Swap(0); n > 0 {
		b.noticed = time.Now()
		s.app.notef("deliveries arrived too fast: %d were not shown or saved", n)
	}
}

// save saves a delivery and returns the path of its file, or "" if it is not saved.
func (s *listenServer) save(c *capture.Capture) string {
	accepted, limit := c.Accepted(), int64(maxRefusedSaved)
	if accepted {
		limit = maxSaved
	}
	if s.options.noSave || s.saved[accepted] >= limit {
		return ""
	}
	path, err := c.Save(s.options.folder)
	if err != nil {
		s.app.notef("the delivery is not saved: %s", printable(err.Error()))
		return ""
	}
	size := int64(block)
	if info, err := os.Stat(path); err == nil {
		size = max(size, info.Size())
	}
	s.saved[accepted] += size
	if s.saved[accepted] >= limit {
		what := map[bool]string{true: "accepted", false: "refused"}[accepted]
		s.app.notef("%d MiB of %s deliveries are saved, which is the limit: further ones are only shown until listen is restarted", limit>>20, what)
	}
	return path
}

// show saves a delivery, and shows it on the terminal and on the page.
func (s *listenServer) show(c *capture.Capture, lasted time.Duration) {
	saved := s.save(c)
	if s.ring != nil {
		s.ring.Add(detailOf(c, s.base, saved))
	}
	if s.app.json {
		s.print(c, saved)
		return
	}
	a := s.app
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
	if !s.options.noBody && len(c.Body) > 0 {
		a.linef("%s", indent(preview(c.Body)))
	}
}

// print writes a delivery as one line of JSON.
func (s *listenServer) print(c *capture.Capture, saved string) {
	text, err := json.Marshal(c)
	if err != nil {
		s.app.notef("the delivery cannot be shown: %v", err)
		return
	}
	members := make(map[string]json.RawMessage)
	_ = json.Unmarshal(text, &members)       // text is a JSON object
	members["file"], _ = json.Marshal(saved) //nolint:errchkjson // a string
	if s.options.noBody {
		delete(members, "body")
		delete(members, "body_base64")
	}
	_ = s.app.writeJSON(members)
}

// preview returns the beginning of a body. The file has the whole body.
func preview(body []byte) string {
	const longest, all = 8 << 10, 512 << 10
	text := pretty(body[:min(len(body), all)])
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "\n… the file has the rest"
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

// signRefused replays a delivery that was not accepted. For such a delivery, the action "replay" is refused, so that one press of
// a button never makes a forgery genuine.
var signRefused = page.Action{
	Name: "sign-refused", Label: "Sign and replay",
	Confirm: "This delivery was not accepted, so anyone may have written it. A replay signs it with your secret, and the service accepts it as genuine.",
}

// detailOf converts a capture to the detail that the page shows.
func detailOf(c *capture.Capture, base, saved string) page.Detail {
	d := page.Detail{
		Item: page.Item{
			Vendor: c.Vendor, Type: c.Type, Delivery: c.ID, At: c.Arrived, Verdict: c.Outcome, Tone: toneOf(c), Status: c.Status,
			Reason: c.Reason, Explanation: c.Explanation,
		},
		Method: c.Method, URL: base + "/webhooks/" + c.Vendor, Header: c.Header, Body: c.Body,
	}
	if !c.Accepted() {
		d.Actions = []page.Action{signRefused}
	}
	if saved != "" {
		d.Facts = []page.Fact{{Name: "Saved in", Value: saved}}
	}
	return d
}

// captureOf converts a detail back to a capture.
func captureOf(d *page.Detail) *capture.Capture {
	return &capture.Capture{Vendor: d.Vendor, Arrived: d.At, Method: d.Method, Header: d.Header, Body: d.Body, Type: d.Type, ID: d.Delivery}
}
