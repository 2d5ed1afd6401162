package signature

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const (
	maxOpaque = 128 // bytes of an Opaque header value
	maxFields = 4   // of a Scheme; the header values are read into an array, which needs no allocation
)

// A Scheme describes how a sender signs: HMAC-SHA256, in hex, in one header.
type Scheme struct {
	// Header carries the MAC. It must be present exactly once.
	Header string

	// Prefix may precede the hex digits, in exactly this case. An example is "sha256=". The sender may omit it.
	Prefix string

	// Forms are the accepted compositions of the signed bytes. Each needs a unique name, and a unique number of covered
	// headers, so that a delivery of one form cannot be read as one of another: see [Grammar].
	Forms []Form

	// Fields are the other headers that the scheme reads, at most 4. They must include all headers that a form covers.
	Fields []Field

	// unpinned are the forms that Pin removed: see Excluded.
	unpinned []Form
}

// A Form is one composition of the signed bytes. It is the value of each covered header as received, each followed by a
// dot, and then the body as received.
type Form struct {
	Name   string
	Covers []string
}

// A Field is a header that a signature may cover. If present, it must appear once and match its grammar.
type Field struct {
	Header   string
	Grammar  Grammar
	Required bool // also for forms that do not cover it
}

// A Grammar defines the allowed values of a header. No grammar allows a dot. So the bytes of one [Form] can be a
// delivery of another form only if a body begins with a value and a dot. A JSON object does not begin like that. If a
// scheme has several forms, a body that does is refused.
type Grammar uint8

// The grammars.
const (
	// Opaque is 1 to 128 of A-Z, a-z, 0-9, "_" and "-".
	Opaque Grammar = iota + 1
	// UnixTime is a Unix time in seconds or milliseconds, in plain decimal digits. See [ParseUnix].
	UnixTime
)

// Accepts reports whether a header value matches the grammar.
func (g Grammar) Accepts(s string) bool {
	switch g {
	case Opaque:
		if len(s) == 0 || len(s) > maxOpaque {
			return false
		}
		for i := range len(s) {
			if !isOpaque(s[i]) {
				return false
			}
		}
		return true
	case UnixTime:
		_, err := ParseUnix(s)
		return err == nil
	default:
		return false
	}
}

func isOpaque(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// beginsAsCovered reports whether body begins like the covered headers of a form: with a value and a dot.
func beginsAsCovered(body []byte) bool {
	for i, c := range body {
		if c == '.' {
			return i > 0
		}
		if i == maxOpaque || !isOpaque(c) {
			return false
		}
	}
	return false
}

// Ambiguous reports whether [Verifier.Verify] refuses body because the scheme has several forms: see [Grammar].
func (s Scheme) Ambiguous(body []byte) bool { return len(s.Forms) > 1 && beginsAsCovered(body) }

// Excluded returns the forms that [Scheme.Pin] removed. They verify nothing. Package diagnose uses them to recognize a
// delivery that was signed in one of them.
func (s Scheme) Excluded() []Form { return slices.Clone(s.unpinned) }

// Pin returns a scheme that accepts only the form of that name. For an unknown name, it returns an error that lists the
// known names. The scheme remembers the other forms for explanations only: see [Scheme.Excluded].
func (s Scheme) Pin(form string) (Scheme, error) {
	f, err := s.form(form)
	if err != nil {
		return Scheme{}, err
	}
	pinned := *f
	s.unpinned = slices.DeleteFunc(slices.Concat(s.Forms, s.unpinned), func(f Form) bool { return f.Name == form })
	s.Forms = []Form{pinned}
	return s, nil
}

// Sign sets the scheme's header in h to the signature of body by key, in the named form. If form is empty, it is the
// scheme's first form. The headers that the form covers must be set before, each once. Sign does not check their
// grammar, so tests can create deliveries that are refused.
//
// Sign returns an error, and sets nothing, in these cases: the scheme is invalid, has no such form, a covered header is
// missing, or the secret is blank or "[redacted]".
func (s Scheme) Sign(key Key, form string, h http.Header, body []byte) error {
	if err := s.validate(); err != nil {
		return err
	}
	f := &s.Forms[0]
	if form != "" {
		var err error
		if f, err = s.form(form); err != nil {
			return err
		}
	}
	if err := key.check(); err != nil {
		return err
	}
	for _, name := range f.Covers {
		if len(h[name]) != 1 {
			return fmt.Errorf("signature: the header %[2]s must be set once before signing, because form %[1]q covers it", f.Name, name)
		}
	}
	m := newLiveKey(key).macs.New().(*mac)
	h.Set(s.Header, fmt.Sprintf("%s%x", s.Prefix, m.over(f.values(h), body)))
	return nil
}

func (s Scheme) form(name string) (*Form, error) {
	names := make([]string, len(s.Forms))
	for i := range s.Forms {
		if s.Forms[i].Name == name {
			return &s.Forms[i], nil
		}
		names[i] = s.Forms[i].Name
	}
	return nil, fmt.Errorf("signature: form %q is unknown; the forms are %q", name, names)
}

func (s Scheme) validate() error {
	if !isCanonical(s.Header) {
		return errCanonical(s.Header)
	}
	if len(s.Fields) > maxFields {
		return fmt.Errorf("signature: a Scheme has at most %[2]d Fields, not %[1]d", len(s.Fields), maxFields)
	}
	fields := make(map[string]bool, len(s.Fields))
	for _, f := range s.Fields {
		switch {
		case !isCanonical(f.Header):
			return errCanonical(f.Header)
		case f.Header == s.Header || fields[f.Header]:
			return fmt.Errorf("signature: the header %q must not appear twice in a Scheme", f.Header)
		case f.Grammar != Opaque && f.Grammar != UnixTime:
			return fmt.Errorf("signature: the header %q of a Scheme needs a Grammar", f.Header)
		}
		fields[f.Header] = true
	}
	if len(s.Forms) == 0 {
		return errors.New("signature: a Scheme needs at least one form")
	}
	names, covering := make(map[string]bool, len(s.Forms)), make(map[int]string, len(s.Forms))
	for _, form := range s.Forms {
		if form.Name == "" || names[form.Name] {
			return fmt.Errorf("signature: every form of a Scheme must have a unique name, not %q", form.Name)
		}
		names[form.Name] = true
		// A time is also an Opaque value. With the same number of headers, one form could be read as the other.
		if other, ok := covering[len(form.Covers)]; ok {
			return fmt.Errorf("signature: forms %q and %q must not cover the same number of headers, because they cannot be distinguished", other, form.Name)
		}
		covering[len(form.Covers)] = form.Name
		for i, name := range form.Covers {
			if !fields[name] || slices.Contains(form.Covers[:i], name) {
				return fmt.Errorf("signature: form %q must cover the header %q once, and the header must be among the Scheme's Fields", form.Name, name)
			}
		}
	}
	return nil
}

func isCanonical(name string) bool { return name != "" && name == http.CanonicalHeaderKey(name) }

func errCanonical(name string) error {
	return fmt.Errorf("signature: the header %q of a Scheme must be in canonical form", name)
}

// clone returns a deep copy of s.
func (s Scheme) clone() Scheme {
	s.Forms, s.Fields, s.unpinned = slices.Clone(s.Forms), slices.Clone(s.Fields), nil
	for i := range s.Forms {
		s.Forms[i].Covers = slices.Clone(s.Forms[i].Covers)
	}
	return s
}

// appendPrefix appends the signed bytes before the body.
func appendPrefix(b []byte, covered []string) []byte {
	for _, value := range covered {
		b = append(b, value...)
		b = append(b, '.')
	}
	return b
}

// values returns the values of the covered headers, which must be present.
func (f *Form) values(h http.Header) []string {
	values := make([]string, len(f.Covers))
	for i, name := range f.Covers {
		values[i] = h[name][0]
	}
	return values
}

func (f *Form) digest(h http.Header, body []byte) [sha256.Size]byte {
	if len(f.Covers) == 0 {
		return sha256.Sum256(body)
	}
	hash := sha256.New()
	hash.Write(appendPrefix(nil, f.values(h)))
	hash.Write(body)
	return [sha256.Size]byte(hash.Sum(nil))
}
