package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"sync/atomic"
)

// A Verifier checks deliveries against a [Scheme]. It may be used concurrently, and does not allocate for a delivery
// that it lets through.
type Verifier struct {
	scheme Scheme

	// last is the index of the form that matched last. A sender keeps to one form, and trying that one first saves
	// the MACs of the others.
	last atomic.Uint32
}

// NewVerifier returns a verifier for s, or an error if s contradicts itself.
func NewVerifier(s Scheme) (*Verifier, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &Verifier{scheme: s.clone()}, nil
}

// A Match says what made a delivery authentic.
type Match struct {
	Key  string // the name of the key
	form *Form
}

// Form returns the name of the form that was signed.
func (m Match) Form() string {
	if m.form == nil {
		return ""
	}
	return m.form.Name
}

// Covers reports whether the signature covers header. What it does not cover, anybody on the way can change.
func (m Match) Covers(header string) bool {
	return m.form != nil && slices.Contains(m.form.Covers, http.CanonicalHeaderKey(header))
}

// Digest returns the SHA-256 of the signed bytes of the delivery that was verified: h and body must be those. It
// depends on nothing that the signature does not cover, and not on how the signature itself was written.
func (m Match) Digest(h http.Header, body []byte) [sha256.Size]byte {
	if m.form == nil {
		return sha256.Sum256(body)
	}
	return m.form.digest(h, body)
}

// Verify checks the signature in h over the bytes of h and body. The names in h must be in their canonical form, as
// net/http leaves them; others are not seen. The error is an [*Error].
//
// Where the scheme has several forms, a body that begins as a covered header does is refused: see [Grammar].
//
// The MAC alone says nothing of time: check a covered time against a [Window] afterwards.
func (v *Verifier) Verify(keys *Keyring, h http.Header, body []byte) (Match, error) {
	s := &v.scheme
	value, err := single(h, s.Header)
	if err != nil {
		return Match{}, err
	}
	var want [sha256.Size]byte
	if !decodeMAC(&want, value, s.Prefix) {
		return Match{}, &Error{Malformed, s.Header, "is not one HMAC-SHA256 in hex"}
	}
	for i := range s.Fields {
		if err := s.Fields[i].check(h); err != nil {
			return Match{}, err
		}
	}
	if len(s.Forms) > 1 && beginsAsCovered(body) {
		return Match{}, &Error{Mismatch, s.Header, "could be that of another form, because the body begins as a covered header does"}
	}

	live, tried, lacking := keys.keys(), false, ""
	first := int(v.last.Load())
	for i := range s.Forms {
		n := (first + i) % len(s.Forms)
		form := &s.Forms[n]
		if lacking = form.lacks(h); lacking != "" {
			continue
		}
		tried = true
		for _, key := range live {
			if key.makes(&want, form, h, body) {
				if i != 0 {
					v.last.Store(uint32(n)) //nolint:gosec // an index into a handful of forms
				}
				return Match{Key: key.name, form: form}, nil
			}
		}
	}
	if !tried {
		return Match{}, &Error{Missing, lacking, "is missing, and every accepted form covers it"}
	}
	return Match{}, &Error{Mismatch, s.Header, "was made by none of the live keys over the bytes that arrived"}
}

// decodeMAC reads the hex digits in s, of either case, into mac. The length is checked before anything is decoded.
func decodeMAC(mac *[sha256.Size]byte, s, prefix string) bool {
	if len(s) == len(prefix)+hex.EncodedLen(len(mac)) && s[:len(prefix)] == prefix {
		s = s[len(prefix):]
	}
	if len(s) != hex.EncodedLen(len(mac)) {
		return false
	}
	for i := range mac {
		hi, lo := hexDigit(s[2*i]), hexDigit(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		mac[i] = hi<<4 | lo
	}
	return true
}

// hexDigit returns the value of c, or 255.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	default:
		return 255
	}
}

func (f *Field) check(h http.Header) error {
	if len(h[f.Header]) == 0 && !f.Required {
		return nil
	}
	value, err := single(h, f.Header)
	if err != nil {
		return err
	}
	if !f.Grammar.accepts(value) {
		return &Error{Malformed, f.Header, "does not have its documented form"}
	}
	return nil
}

// single returns the value of a header that must be there exactly once.
func single(h http.Header, name string) (string, error) {
	switch values := h[name]; {
	case len(values) == 0 || values[0] == "" && len(values) == 1:
		return "", &Error{Missing, name, "is missing or empty"}
	case len(values) > 1:
		return "", &Error{Repeated, name, "came more than once"}
	default:
		return values[0], nil
	}
}
