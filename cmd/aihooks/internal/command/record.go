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
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

// The limits of what unauthenticated senders can make listen keep. Deliveries that were not accepted may take only a part.
const (
	block = 4 << 10 // bytes that even the smallest delivery takes

	maxBacklog        = 16 << 20 // bytes in memory
	maxRefusedBacklog = maxBacklog / 2
	maxSaved          = 1 << 30 // bytes on disk, in one run
	maxRefusedSaved   = 64 << 20
)

// A record is a delivery that has been responded to.
type record struct {
	capture  *capture.Capture
	endpoint *endpoint
	request  *http.Request
	took     time.Duration
}

// size returns about how much memory the record takes.
func (r *record) size() int64 {
	n := len(r.capture.Body) + len(r.request.RequestURI)
	for name, values := range r.request.Header {
		n += 2 * len(name) // the page has most of them, too
		for _, value := range values {
			n += 2 * len(value)
		}
	}
	return max(int64(n), block)
}

// A backlog has the deliveries that have not been shown yet.
type backlog struct {
	records chan *record
	size    atomic.Int64 // bytes of the records
	dropped atomic.Int64 // since the last notice
	noticed time.Time    // when that was
	end     chan struct{}
	ended   chan struct{}
}

func newBacklog() *backlog {
	return &backlog{records: make(chan *record, maxBacklog/block), end: make(chan struct{}), ended: make(chan struct{})}
}

// enqueue never blocks. It drops a record that exceeds the limit.
func (d *desk) enqueue(r *record) {
	limit, size := int64(maxRefusedBacklog), r.size()
	if r.capture.Accepted() {
		limit = maxBacklog
	}
	if d.backlog.size.Add(size) > limit {
		d.backlog.size.Add(-size)
		d.backlog.dropped.Add(1)
		return
	}
	d.backlog.records <- r // has a slot for as many blocks as fit
}

// record shows and saves deliveries, one at a time, until finish is called.
func (d *desk) record() {
	defer close(d.backlog.ended)
	for {
		select {
		case r := <-d.backlog.records:
			d.recordOne(r)
		case <-d.backlog.end:
			for len(d.backlog.records) > 0 {
				d.recordOne(<-d.backlog.records)
			}
			return
		}
	}
}

// finish waits until what arrived has been shown and saved.
func (d *desk) finish() {
	close(d.backlog.end)
	<-d.backlog.ended
}

func (d *desk) recordOne(r *record) {
	defer d.backlog.size.Add(-r.size())
	c := r.capture
	c.Header = capture.Header(r.request.Header, d.private(r.request)...)
	switch {
	case c.Outcome == unverified:
		name := r.endpoint.vendor.Name()
		c.Explanation = "It was not verified: set " + secretName(r.endpoint.vendor) + ", or name a file with --secret-file " + name + "=FILE."
	case c.Status != http.StatusOK:
		c.Explanation = sentence(r.endpoint.handler.Explain(webhook.Request{
			Method: r.request.Method, URL: r.request.URL, Header: r.request.Header, Body: bytes.NewReader(c.Body), ContentLength: r.request.ContentLength,
		}, c.Arrived).Text)
	}
	c.Type = clip(r.endpoint.vendor.Signer(d.base, nobodysKey()).Type(c.Body), 200) // a stranger's may be as long as the body
	d.show(c, r.took)
	d.noticeDropped()
}

// noticeDropped reports what was dropped, every 10 s and at the end of a flood.
func (d *desk) noticeDropped() {
	b := d.backlog
	if len(b.records) > 0 && time.Since(b.noticed) < 10*time.Second {
		return
	}
	if n := b.dropped.Swap(0); n > 0 {
		b.noticed = time.Now()
		d.app.notef("deliveries that arrived too fast to be shown and saved: %d", n)
	}
}

// save saves a delivery, and returns the path of its file: none if it is not saved.
func (d *desk) save(c *capture.Capture) string {
	accepted, limit := c.Accepted(), int64(maxRefusedSaved)
	if accepted {
		limit = maxSaved
	}
	if d.options.noSave || d.saved[accepted] >= limit {
		return ""
	}
	path, err := c.Save(d.options.folder)
	if err != nil {
		d.app.notef("the delivery is not saved: %s", printable(err.Error()))
		return ""
	}
	size := int64(block)
	if info, err := os.Stat(path); err == nil {
		size = max(size, info.Size())
	}
	d.saved[accepted] += size
	if d.saved[accepted] >= limit {
		what := map[bool]string{true: "accepted", false: "not accepted"}[accepted]
		d.app.notef("%d MiB of deliveries that were %s are saved; further ones are shown and not saved until listen is started again", limit>>20, what)
	}
	return path
}

// show shows a delivery, on the terminal and on the page, and saves it.
func (d *desk) show(c *capture.Capture, lasted time.Duration) {
	saved := d.save(c)
	if d.ring != nil {
		d.ring.Add(detailOf(c, d.base, saved))
	}
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

// signRefused replays a delivery that was not accepted. A request must name it: the action "replay" is refused.
var signRefused = page.Action{
	Name: "sign-refused", Label: "Sign and replay",
	Confirm: "This delivery was not accepted: anybody may have written it. A replay signs it with your secret, and the service takes it for genuine.",
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
	if !c.Accepted() {
		d.Actions = []page.Action{signRefused}
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
