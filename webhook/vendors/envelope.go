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

// An Envelope has the fields of a body that all events share. Data is a part of the body, not a copy. A Type or ID longer
// than 256 bytes is replaced by "sha256:" and its digest in hex.
type Envelope struct {
	Type string
	ID   string
	Time time.Time
	Data []byte

	// TimeErr is set if the body has a value for Time that is not a time. TimeName is the name of that member.
	TimeErr  error
	TimeName string
}

// EnvelopeNames are the names of the top-level members that form the envelope. If a list has several names, the first
// usable value counts. Null, an empty or blank string, and a value of another kind are not usable.
type EnvelopeNames struct {
	// Type names the event's type, a string or a number. The first documented type counts. Without one, the first usable
	// value counts.
	Type []string

	// ID names the event's id, a string or a number.
	ID []string

	// Time names the event's time, a date or a Unix time.
	Time []string

	// Data names the object with the event's fields. If the list is empty, or the body has no such member, the fields are at
	// the top of the body.
	Data []string
}

// maxNames is the maximum number of names in an EnvelopeNames.
const maxNames = 12

// all returns the names of all fields in one list.
func (n *EnvelopeNames) all() []string {
	var all []string
	for _, list := range [][]string{n.Type, n.ID, n.Time, n.Data} {
		all = append(all, list...)
	}
	return all
}

// An EnvelopeReader reads envelopes with one EnvelopeNames. It is exported for package webhook.
type EnvelopeReader struct {
	names                  []string
	types, ids, times, end int

	// documented reports whether a type is one that a handler knows.
	documented func(eventType string) bool
}

// NewEnvelopeReader returns a reader. The function documented reports whether a handler knows an event type. The error names
// the rule that n breaks.
func NewEnvelopeReader(n *EnvelopeNames, documented func(string) bool) (*EnvelopeReader, error) {
	r := &EnvelopeReader{names: n.all(), documented: documented}
	r.types = len(n.Type)
	r.ids = r.types + len(n.ID)
	r.times = r.ids + len(n.Time)
	r.end = len(r.names)
	if r.end > maxNames {
		return nil, errors.New("webhook: Profile.Envelope must have at most 12 names")
	}
	return r, nil
}

// ReadEnvelope reads the envelope of body like a handler of this profile. It is for test kits and tools. It returns an error
// if body is not a JSON object.
func (p *Profile) ReadEnvelope(body []byte) (Envelope, error) {
	r, err := NewEnvelopeReader(&p.Envelope, p.Documents)
	if err != nil {
		return Envelope{}, err
	}
	return r.Read(body)
}

// Documents reports whether Events has that event type.
func (p *Profile) Documents(eventType string) bool {
	return slices.ContainsFunc(p.Events, func(t EventType) bool { return t.Name() == eventType })
}

// Read reads the envelope of body, which must be a JSON object. A member with an unusable value counts as absent. The caller
// decides which members are required.
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

// eventType returns the first value that is a documented type. Without one, it returns the first string or number.
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

// chooseData returns the first value that is an object. Without one, it returns the first value.
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

// readTime sets Time to the first value that is a time.
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

// NoTime returns the error of a delivery without the time that it needs. The error names the member, but not its value.
func (e *Envelope) NoTime(p *Profile) error {
	switch {
	case p.TimeField != "":
		return fmt.Errorf("webhook: authentic, but %s has no time that can be read; it must be a Unix time in seconds or milliseconds", p.TimeField)
	case e.TimeErr != nil:
		return fmt.Errorf("webhook: authentic, but the member %q must be %s: %w", e.TimeName, timestamp.Want, e.TimeErr)
	default:
		return fmt.Errorf("webhook: authentic, but no member %q has the time; it must be %s", p.Envelope.Time, timestamp.Want)
	}
}
