package signature

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync/atomic"
)

// A Verifier checks deliveries against a [Scheme]. It may be used concurrently, and does not allocate for a delivery
// that it lets through.
type Verifier struct {
	scheme Scheme
	covers [][]int // of each form: which Fields it covers

	// last is the index of the form that matched last. A sender keeps to one form, and trying that one first saves
	// the MACs of the others.
	last atomic.Uint32
}

// NewVerifier returns a verifier for s, or an error if s contradicts itself.
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
	value, err := single(h[s.Header], s.Header)
	if err != nil {
		return Match{}, err
	}
	var want [sha256.Size]byte
	if !decodeMAC(&want, value, s.Prefix) {
		return Match{}, &Error{Malformed, s.Header, "is not one HMAC-SHA256 in hex"}
	}
	var fields [maxFields]string // "" if not there
	for i := range s.Fields {
		if fields[i], err = s.Fields[i].read(h); err != nil {
			return Match{}, err
		}
	}
	if len(s.Forms) > 1 && beginsAsCovered(body) {
		return Match{}, &Error{Mismatch, s.Header, "could be that of another form, because the body begins as a covered header does"}
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
	return Match{}, &Error{Mismatch, s.Header, "was made by none of the live keys over the bytes that arrived"}
}

// decodeMAC reads the hex digits in s, of either case, into mac. The length is checked before anything is decoded.
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

// hexDigits has the value of every hex digit of either case, and 255 for every other byte. A table, because digits are
// random to a branch predictor.
var hexDigits = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for value := range 16 {
		t["0123456789abcdef"[value]], t["0123456789ABCDEF"[value]] = byte(value), byte(value)
	}
	return t
}()

// read returns the value of the field, or "" if it is not there and need not be.
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
		return "", &Error{Malformed, f.Header, "does not have its documented form"}
	}
	return value, nil
}

// single returns the value of a header that must be there exactly once.
func single(values []string, name string) (string, error) {
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", &Error{Missing, name, "is missing or empty"}
	case len(values) > 1:
		return "", &Error{Repeated, name, "came more than once"}
	default:
		return values[0], nil
	}
}
