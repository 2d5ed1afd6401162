package webhook

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/signature"
)

// An Envelope is what a body says of itself. Data is a part of the body, not a copy.
type Envelope struct {
	Type string
	ID   string
	Time time.Time
	Data []byte
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
		if e.ID = text(raw); e.ID != "" {
			break
		}
	}
	for _, raw := range values[r.ids:r.times] {
		if e.Time = instant(raw); !e.Time.IsZero() {
			break
		}
	}
	if data := chooseData(values[r.times:]); data != nil {
		e.Data = data
	}
	return e, nil
}

// eventType returns the first value that is a documented type, or else the first that is a text.
func (r *envelopeReader) eventType(values [][]byte) string {
	first := ""
	for _, raw := range values {
		s := text(raw)
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

// instant reads RFC 3339, or a Unix time in seconds or milliseconds; anything else is the zero time.
func instant(raw []byte) time.Time {
	s := text(raw)
	if s == "" {
		return time.Time{}
	}
	if t, err := signature.ParseUnix(s); err == nil {
		return t
	}
	var t time.Time
	if t.UnmarshalText([]byte(s)) != nil {
		return time.Time{}
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
