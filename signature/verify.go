package signature

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync/atomic"
)

// A Verifier checks deliveries against a [Scheme]. It is safe for concurrent use. It allocates nothing for an accepted
// delivery.
type Verifier struct {
	scheme Scheme
	covers [][]int // the indexes of the Fields that each form covers

	// last is the index of the form that matched last. A sender normally uses one form, so trying that form first saves
	// the MACs of the others.
	last atomic.Uint32
}

// NewVerifier returns a verifier for s, or an error if s is invalid.
func NewVerifier(s Scheme) (*Verifier, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{scheme: s.clone(), covers: make([][]int, len(s.Forms))}
	for i, form := range s.Forms {
		for _, name := range form.Covers {
			v.covers[i] = append(v.covers[i], slices.IndexFunc(s.Fields, func(f Field) bool { return f.Header == name }))
		}
	}
	return v, nil
}

// A Match is the key and the form that verified a delivery.
type Match struct {
	Key  string // the name of the key
	form *Form
}

// Form returns the name of the form that verified.
func (m Match) Form() string {
	if m.form == nil {
		return ""
	}
	return m.form.Name
}

// Covers reports whether the signature covers header. Anyone on the way can change a header that it does not cover.
func (m Match) Covers(header string) bool {
	return m.form != nil && slices.Contains(m.form.Covers, http.CanonicalHeaderKey(header))
}

// Digest returns the SHA-256 of the signed bytes. h and body must be those that were verified. The digest does not
// depend on headers that the signature does not cover, or on the encoding of the signature.
func (m Match) Digest(h http.Header, body []byte) [sha256.Size]byte {
	if m.form == nil {
		return sha256.Sum256(body)
	}
	return m.form.digest(h, body)
}

// Verify checks the signature in h over the bytes of h and body. The names in h must be in canonical form, as net/http
// sets them; other names are ignored. The error is an [*Error].
//
// If the scheme has several forms, a body that begins like a covered header is refused: see [Grammar].
//
// The MAC does not prove that the delivery is recent. Check a covered time against a [Window] afterwards.
func (v *Verifier) Verify(keys *Keyring, h http.Header, body []byte) (Match, error) {
	s := &v.scheme
	value, err := single(h[s.Header], s.Header)
	if err != nil {
		return Match{}, err
	}
	var want [sha256.Size]byte
	if !decodeMAC(&want, value, s.Prefix) {
		return Match{}, &Error{Malformed, s.Header, "is not one HMAC-SHA256 in hex"}
	}
	var fields [maxFields]string // "" if missing
	for i := range s.Fields {
		if fields[i], err = s.Fields[i].read(h); err != nil {
			return Match{}, err
		}
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
		var values [maxFields]string
		covered := values[:0]
		for _, at := range v.covers[n] {
			if fields[at] == "" {
				lacking = s.Fields[at].Header
				break
			}
			covered = append(covered, fields[at])
		}
		if len(covered) < len(v.covers[n]) {
			continue
		}
		tried = true
		for _, key := range live {
			if key.makes(&want, covered, body) {
				if i != 0 {
					v.last.Store(uint32(n))
				}
				return Match{Key: key.name, form: &s.Forms[n]}, nil
			}
		}
	}
	if !tried {
		return Match{}, &Error{Missing, lacking, "is missing, and every accepted form covers it"}
	}
	return Match{}, &Error{Mismatch, s.Header, "does not match: no live key makes it over the received bytes"}
}

// decodeMAC decodes the hex digits in s, of either case, into mac. It checks the length first.
func decodeMAC(mac *[sha256.Size]byte, s, prefix string) bool {
	if len(s) == len(prefix)+2*sha256.Size && s[:len(prefix)] == prefix {
		s = s[len(prefix):]
	}
	if len(s) != 2*sha256.Size {
		return false
	}
	var bad byte
	for i := range mac {
		hi, lo := hexDigits[s[2*i]], hexDigits[s[2*i+1]]
		mac[i] = hi<<4 | lo&0xf
		bad |= hi | lo
	}
	return bad <= 0xf
}

// hexDigits maps every hex digit of either case to its value, and every other byte to 255. A table is faster than
// branches, because a branch predictor cannot predict the digits.
var hexDigits = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for value := range 16 {
		t["0123456789abcdef"[value]], t["0123456789ABCDEF"[value]] = byte(value), byte(value)
	}
	return t
}()

// read returns the value of the field, or "" if it is missing and optional.
func (f *Field) read(h http.Header) (string, error) {
	values := h[f.Header]
	if len(values) == 0 && !f.Required {
		return "", nil
	}
	value, err := single(values, f.Header)
	if err != nil {
		return "", err
	}
	if !f.Grammar.Accepts(value) {
		return "", &Error{Malformed, f.Header, "does not have its documented format"}
	}
	return value, nil
}

// single returns the value of a header that must appear exactly once.
func single(values []string, name string) (string, error) {
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", &Error{Missing, name, "is missing or empty"}
	case len(values) > 1:
		return "", &Error{Repeated, name, "appears more than once"}
	default:
		return values[0], nil
	}
}
