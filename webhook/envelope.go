package webhook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/internal/timestamp"
)

// An Envelope is what a body says of itself. Data is a part of the body, not a copy. A Type or ID that is longer than
// 256 bytes is "sha256:" and its digest in hex.
type Envelope struct {
	Type string
	ID   string
	Time time.Time
	Data []byte

	// untimely is the first name with a value that is no time, where no other name has one, and timeErr says why.
	untimely string
	timeErr  error
}

// maxNames is the most names that an EnvelopeNames may have in all.
const maxNames = 12

// names returns all names in one list, in the order of the fields.
func (n *EnvelopeNames) names() []string {
	var all []string
	for _, list := range [][]string{n.Type, n.ID, n.Time, n.Data} {
		all = append(all, list...)
	}
	return all
}

// An envelopeReader reads envelopes under one set of names.
type envelopeReader struct {
	names                  []string
	types, ids, times, end int

	// documented reports whether a type is one that a handler knows.
	documented func(eventType string) bool
}

func newEnvelopeReader(n *EnvelopeNames, documented func(string) bool) (*envelopeReader, error) {
	r := &envelopeReader{names: n.names(), documented: documented}
	r.types = len(n.Type)
	r.ids = r.types + len(n.ID)
	r.times = r.ids + len(n.Time)
	r.end = len(r.names)
	if r.types == 0 || r.end > maxNames {
		return nil, errors.New("webhook: Profile.Envelope must name the type, and at most 12 members in all")
	}
	return r, nil
}

// ReadEnvelope reads the envelope of body as a handler of this profile does: for test kits and tools. The error means
// that body is not a JSON object.
func (p *Profile) ReadEnvelope(body []byte) (Envelope, error) {
	r, err := newEnvelopeReader(&p.Envelope, func(eventType string) bool {
		return slices.ContainsFunc(p.Events, func(t EventType) bool { return t.Name() == eventType })
	})
	if err != nil {
		return Envelope{}, err
	}
	return r.read(body)
}

// read reads the envelope of body, which must be a JSON object. A member that does not hold what it should counts as
// absent: whether it is needed is not known here.
func (r *envelopeReader) read(body []byte) (Envelope, error) {
	var buf [maxNames][]byte
	values := buf[:r.end]
	if err := jsonpeek.Scan(body, r.names, values); err != nil {
		return Envelope{}, err
	}
	e := Envelope{Type: r.eventType(values[:r.types]), Data: body}
	for _, raw := range values[r.types:r.ids] {
		if e.ID = nameIn(raw); e.ID != "" {
			break
		}
	}
	e.readTime(r.names[r.ids:r.times], values[r.ids:r.times])
	if data := chooseData(values[r.times:]); data != nil {
		e.Data = data
	}
	return e, nil
}

// eventType returns the first value that is a documented type, or else the first that is a text.
func (r *envelopeReader) eventType(values [][]byte) string {
	first := ""
	for _, raw := range values {
		s := nameIn(raw)
		if s != "" && r.documented(s) {
			return s
		}
		if first == "" {
			first = s
		}
	}
	return first
}

// chooseData returns the first value that is an object, or else the first that is there.
func chooseData(values [][]byte) []byte {
	var first []byte
	for _, raw := range values {
		if jsonpeek.KindOf(raw) == jsonpeek.KindObject {
			return raw
		}
		if first == nil {
			first = raw
		}
	}
	return first
}

// text returns a JSON string's value, or a number as it is written; anything else, and a string of whitespace, is empty.
func text(raw []byte) string {
	if s, ok := jsonpeek.String(raw); ok {
		if strings.TrimSpace(s) == "" {
			return ""
		}
		return s
	}
	if jsonpeek.KindOf(raw) == jsonpeek.KindNumber {
		return string(raw)
	}
	return ""
}

// readTime takes the first value that is a time.
func (e *Envelope) readTime(names []string, values [][]byte) {
	for i, raw := range values {
		if raw == nil {
			continue
		}
		t, err := timestamp.ParseJSON(raw)
		if err == nil {
			e.Time, e.untimely, e.timeErr = t, "", nil
			return
		}
		if e.timeErr == nil {
			e.untimely, e.timeErr = names[i], err
		}
	}
}

// noTime returns the error of a delivery that needs a time and has none. It names the member, and no value.
func (e *Envelope) noTime(p *Profile) error {
	switch {
	case p.TimeHeader != "":
		return fmt.Errorf("webhook: authentic, but the header %s has no time that can be read; it must be a Unix time in seconds or milliseconds", p.TimeHeader)
	case e.timeErr != nil:
		return fmt.Errorf("webhook: authentic, but the member %q must be %s: %w", e.untimely, timestamp.Want, e.timeErr)
	default:
		return fmt.Errorf("webhook: authentic, but no member %q has the time; it must be %s", p.Envelope.Time, timestamp.Want)
	}
}
