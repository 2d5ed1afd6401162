package signature

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A Verifier checks deliveries against a [Scheme]. It is safe for concurrent use. It allocates nothing for an accepted
// delivery, except with Ed25519.
type Verifier struct {
	scheme *Scheme

	// last is the index of the form that matched last. A sender normally uses one form, so trying that form first saves
	// the MACs of the others.
	last atomic.Uint32
}

// NewVerifier returns a verifier for s, or an error if s is invalid.
func NewVerifier(s Scheme) (*Verifier, error) {
	compiled, err := s.compiled()
	if err != nil {
		return nil, err
	}
	return &Verifier{scheme: compiled}, nil
}

// A Match is the key and the form that verified a delivery.
type Match struct {
	Key    string // the name of the key
	Tenant string // the tenant whose key it is, if an Authenticator knows tenants
	scheme *Scheme
	form   *Form
}

// Form returns the name of the form that verified.
func (m Match) Form() string {
	if m.form == nil {
		return ""
	}
	return m.form.Name
}

// Covers reports whether the signature covers the header, or the [Field] with that Element. Anyone on the way can change
// a header that it does not cover.
func (m Match) Covers(name string) bool {
	return m.form != nil && slices.ContainsFunc(m.form.parts, func(p part) bool {
		return p.name != "" && p.field != bodyField && (p.name == name || p.name == http.CanonicalHeaderKey(name))
	})
}

// Digest returns the SHA-256 of the signed bytes. h and body must be those that were verified. The digest does not
// depend on headers that the signature does not cover, or on the encoding of the signature.
func (m Match) Digest(h http.Header, body []byte) [sha256.Size]byte {
	if m.form == nil {
		return sha256.Sum256(body)
	}
	return m.form.digest(m.scheme, h, body)
}

// Verify checks the signature in h over the bytes of h and body, with the keys of a ring for the same scheme. The names in h
// must be in canonical form, as net/http sets them; other names are ignored. The error is an [*Error].
//
// If the scheme has several forms, a body that begins like a covered value is refused: see [Grammar].
//
// The signature does not prove that the delivery is recent. Check a covered time against a [Window] afterwards.
func (v *Verifier) Verify(keys *Keyring, h http.Header, body []byte) (Match, error) {
	return v.VerifyAt(keys, h, body, time.Time{})
}

// VerifyAt is [Verifier.Verify] with the keys that are valid at a time, such as the delivery's arrival. The zero time means
// time.Now(). If all keys are outside their lifetime, the error is that of a wrong signature, so the sender learns nothing.
func (v *Verifier) VerifyAt(keys *Keyring, h http.Header, body []byte, at time.Time) (Match, error) {
	s := v.scheme
	if s == nil { // the zero Verifier
		return Match{}, &Error{Missing, "", "a Verifier needs a Scheme"}
	}
	var r received
	if err := s.read(h, &r); err != nil {
		return Match{}, err
	}
	if len(s.Forms) > 1 && beginsAsCovered(body) {
		return Match{}, &Error{Mismatch, s.Header, "could be that of another form, because the body begins like a covered header"}
	}
	live, tried, lacking := keys.keys(), false, ""
	first := int(v.last.Load())
	for i := range s.Forms {
		n := first + i
		if n >= len(s.Forms) {
			n -= len(s.Forms)
		}
		form := &s.Forms[n]
		if name := form.lacks(&r.fields); name != "" {
			lacking = name
			continue
		}
		tried = true
		for _, key := range live {
			if key.mayVerify(s, at) && key.makes(&r, form, body) {
				if i != 0 {
					v.last.Store(uint32(n))
				}
				return Match{Key: key.Name, scheme: s, form: form}, nil
			}
		}
	}
	if !tried {
		return Match{}, &Error{Missing, lacking, "is missing, and every accepted form covers it"}
	}
	return Match{}, &Error{Mismatch, s.Header, "does not match: no live key makes it over the received bytes"}
}
