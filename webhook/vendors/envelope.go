package vendors

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/internal/timestamp"
)

// An Envelope is what a body says of itself. Data is a part of the body, not a copy. A Type or ID that is longer than
// 256 bytes is "sha256:" and its digest in hex.
type Envelope struct {
	Type string
	ID   string
	Time time.Time
	Data []byte

	// TimeErr says why Time is zero although the body has a value for it, and TimeName is the name of that value.
	TimeErr  error
	TimeName string
}

// EnvelopeNames are the names of the top-level members that tell what a body is. Where a list has several, the first
// usable value counts: a null, an empty or blank string, and a value of another kind do not hide the names after it.
type EnvelopeNames struct {
	// Type holds the event's type. The first value that is a documented type counts, then the first that is a string or
	// a number.
	Type []string

	// ID holds the event's id: a string or a number.
	ID []string

	// Time holds the event's time: a date or a Unix time.
	Time []string

	// Data holds the event's own fields: an object. Where the list is empty, or no such member is there, they are at the
	// top.
	Data []string
}

// maxNames is the most names that an EnvelopeNames may have in all.
const maxNames = 12

// all returns all names in one list, in the order of the fields.
func (n *EnvelopeNames) all() []string {
	var all []string
	for _, list := range [][]string{n.Type, n.ID, n.Time, n.Data} {
		all = append(all, list...)
	}
	return all
}

// An EnvelopeReader reads envelopes under one set of names. Handlers use one; it is exported for package webhook.
type EnvelopeReader struct {
	names                  []string
	types, ids, times, end int

	// documented reports whether a type is one that a handler knows.
	documented func(eventType string) bool
}

// NewEnvelopeReader returns a reader. documented reports whether an event type is one that a handler knows. The error
// names the rule that the names break.
func NewEnvelopeReader(n *EnvelopeNames, documented func(string) bool) (*EnvelopeReader, error) {
	r := &EnvelopeReader{names: n.all(), documented: documented}
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
	r, err := NewEnvelopeReader(&p.Envelope, p.Documents)
	if err != nil {
		return Envelope{}, err
	}
	return r.Read(body)
}

// Documents reports whether an event type is one of Events.
func (p *Profile) Documents(eventType string) bool {
	return slices.ContainsFunc(p.Events, func(t EventType) bool { return t.Name() == eventType })
}

// Read reads the envelope of body, which must be a JSON object. A member that does not hold what it should counts as
// absent: whether it is needed is not known here.
func (r *EnvelopeReader) Read(body []byte) (Envelope, error) {
	var buf [maxNames][]byte
	values := buf[:r.end]
	if err := jsonpeek.Scan(body, r.names, values); err != nil {
		return Envelope{}, err
	}
	e := Envelope{Type: r.eventType(values[:r.types]), Data: body}
	for _, raw := range values[r.types:r.ids] {
		if e.ID = names.InJSON(raw); e.ID != "" {
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
func (r *EnvelopeReader) eventType(values [][]byte) string {
	first := ""
	for _, raw := range values {
		s := names.InJSON(raw)
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

// readTime takes the first value that is a time.
func (e *Envelope) readTime(names []string, values [][]byte) {
	for i, raw := range values {
		if raw == nil {
			continue
		}
		t, err := timestamp.ParseJSON(raw)
		if err == nil {
			e.Time, e.TimeName, e.TimeErr = t, "", nil
			return
		}
		if e.TimeErr == nil {
			e.TimeName, e.TimeErr = names[i], err
		}
	}
}

// NoTime returns the error of a delivery that needs a time and has none. It names the member, and no value.
func (e *Envelope) NoTime(p *Profile) error {
	switch {
	case p.TimeHeader != "":
		return fmt.Errorf("webhook: authentic, but the header %s has no time that can be read; it must be a Unix time in seconds or milliseconds", p.TimeHeader)
	case e.TimeErr != nil:
		return fmt.Errorf("webhook: authentic, but the member %q must be %s: %w", e.TimeName, timestamp.Want, e.TimeErr)
	default:
		return fmt.Errorf("webhook: authentic, but no member %q has the time; it must be %s", p.Envelope.Time, timestamp.Want)
	}
}
