// Package webhooktest sends webhook deliveries as the vendors do, for tests of receivers.
package webhooktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Signer makes a vendor's requests without sending them. To test a receiver, use a [Sender].
type Signer struct {
	Profile vendors.Profile

	// URL is the URL of the requests. For EmberQA it includes the credential.
	URL string

	// Key is the signing key, if the vendor signs.
	Key signature.Key

	// Form is the name of the signature's form, for vendors with several. Defaults to the first.
	Form string
}

// Stamp returns body with the time in its envelope set to t. A body without a time is unchanged. The notation stays: a Unix
// time keeps its unit and its kind, and an ISO 8601 date keeps its zone and its number of fraction digits. Any other value
// becomes RFC 3339.
func (s *Signer) Stamp(body []byte, t time.Time) []byte {
	return replace(body, s.Profile.Envelope.Time, func(raw []byte) []byte { return dateLike(raw, t) })
}

// Name returns body with the id in its envelope set to id. A body without an id is unchanged.
func (s *Signer) Name(body []byte, id string) []byte {
	return replace(body, s.Profile.Envelope.ID, func([]byte) []byte { return quote(id) })
}

// Unique returns body with that id. If the body has no id, Unique appends random whitespace: it makes the bytes unique, by
// which receivers distinguish such events, and does not change the JSON value.
func (s *Signer) Unique(body []byte, id string) []byte {
	named := s.Name(body, id)
	if member(named, s.Profile.Envelope.ID) != nil {
		return named
	}
	named = slices.Clone(named)
	var bits [4]byte
	_, _ = rand.Read(bits[:]) // never fails
	for _, b := range bits {
		for range 8 {
			named = append(named, " \t"[b&1])
			b >>= 1
		}
	}
	return named
}

// replace returns body with a new value for the first of the named members that it has.
func replace(body []byte, names []string, value func(raw []byte) []byte) []byte {
	raw := member(body, names)
	if raw == nil {
		return body
	}
	at := 0
	for &body[at] != &raw[0] { // raw is part of body
		at++
	}
	return slices.Concat(body[:at], value(raw), body[at+len(raw):])
}

// member returns the value of the first of the named members that body has, as a part of body. It returns nil without one.
func member(body []byte, names []string) []byte {
	values := make([][]byte, len(names))
	if err := jsonpeek.Scan(body, names, values); err != nil {
		return nil
	}
	for _, raw := range values {
		if raw != nil {
			return raw
		}
	}
	return nil
}

// Request returns a request with that body and delivery id, signed at t.
func (s *Signer) Request(body []byte, t time.Time, id string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("webhooktest: Signer.URL: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if s.Profile.Scheme == nil {
		return r, nil
	}
	for _, field := range s.Profile.Scheme.Fields {
		value := id
		if field.Grammar == signature.UnixTime {
			value = strconv.FormatInt(t.Unix(), 10)
		}
		s.Profile.Scheme.Set(r.Header, field.Name(), value)
	}
	if err := s.Profile.Scheme.Sign(s.Key, s.Form, r.Header, body); err != nil {
		return nil, err
	}
	return r, nil
}

// Type returns the type in the envelope of body as a handler reads it. It returns "" without a type.
func (s *Signer) Type(body []byte) string {
	e, _ := s.Profile.ReadEnvelope(body) // empty if it is not a JSON object
	return e.Type
}
