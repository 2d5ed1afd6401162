package webhook

import (
	"errors"
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
}

func newEnvelopeReader(n *EnvelopeNames) (*envelopeReader, error) {
	r := &envelopeReader{names: n.names()}
	r.types = len(n.Type)
	r.ids = r.types + len(n.ID)
	r.times = r.ids + len(n.Time)
	r.end = len(r.names)
	if r.types == 0 || r.end > maxNames {
		return nil, errors.New("webhook: Profile.Envelope must name the type, and at most 12 members in all")
	}
	return r, nil
}

// read reads the envelope of body, which must be a JSON object. A member that does not hold what it should counts as
// absent: whether it is needed is not known here.
func (r *envelopeReader) read(body []byte) (Envelope, error) {
	var buf [maxNames][]byte
	values := buf[:r.end]
	if err := jsonpeek.Scan(body, r.names, values); err != nil {
		return Envelope{}, err
	}
	var e Envelope
	e.Type = text(first(values[:r.types]))
	e.ID = text(first(values[r.types:r.ids]))
	e.Time = instant(first(values[r.ids:r.times]))
	if e.Data = first(values[r.times:]); e.Data == nil {
		e.Data = body
	}
	return e, nil
}

func first(values [][]byte) []byte {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// text returns a JSON string's value, or a number as it is written; anything else is empty.
func text(raw []byte) string {
	if s, ok := jsonpeek.String(raw); ok {
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
