package signature

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const (
	maxOpaque = 128 // bytes of an Opaque header
	maxFields = 4   // of a Scheme: a delivery's headers are read into an array, so that nothing is allocated
)

// A Scheme says, as data, how a sender signs: HMAC-SHA256, in hex, in one header.
type Scheme struct {
	// Header carries the MAC. It must be there exactly once.
	Header string

	// Prefix may stand before the hex digits, "sha256=" for instance, in exactly this case, or may be left out by the
	// sender.
	Prefix string

	// Forms are the compositions of signed bytes that are accepted. Each has a name of its own and covers a number of
	// headers of its own, so that no delivery of one form can be read as one of another: see [Grammar].
	Forms []Form

	// Fields are the other headers that the scheme reads, 4 at most. All that a form covers must be among them.
	Fields []Field

	// unpinned are the forms that Pin left out: see Excluded.
	unpinned []Form
}

// A Form is one composition of the signed bytes: the value of each covered header, as received and followed by a dot,
// then the body, as received.
type Form struct {
	Name   string
	Covers []string
}

// A Field is a header that may be covered by the signature. Where it is there, it must be single and keep its grammar.
type Field struct {
	Header   string
	Grammar  Grammar
	Required bool // also by forms that do not cover it
}

// A Grammar is what a header's value may look like. Neither grammar has a dot. So the bytes of one [Form] can be cut
// to make a delivery of another only where a body begins with a value and a dot: no JSON object does, and where several
// forms are accepted, a body that does is refused.
type Grammar uint8

// The grammars.
const (
	// Opaque is 1 to 128 of A-Z, a-z, 0-9, "_" and "-".
	Opaque Grammar = iota + 1
	// UnixTime is a Unix time in seconds or milliseconds, in plain decimal digits. See [ParseUnix].
	UnixTime
)

// Accepts reports whether a header's value s keeps the grammar.
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

// beginsAsCovered reports whether body begins as the covered headers of a form do: with a value and a dot.
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

// Excluded returns the forms that [Scheme.Pin] left out. They verify nothing. Package diagnose uses them to recognize a
// delivery that was signed in one.
func (s Scheme) Excluded() []Form { return slices.Clone(s.unpinned) }

// Pin returns a scheme that accepts the form of that name alone. An unknown name is an error that lists the known ones.
// The scheme remembers the other forms for explanations only: see [Scheme.Excluded].
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

// Sign sets the scheme's header on h to the signature of body by key, in the named form; the headers that the form
// covers must be set already, once each. An empty form is the scheme's first. It returns an error, and sets nothing,
// when the scheme contradicts itself, has no such form, lacks a covered header, or when the secret is blank or
// "[redacted]". It does not ask for the headers' grammar, so that tests can make deliveries that are refused for it.
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
			return fmt.Errorf("signature: form %q covers the header %s, which must be set once before signing", f.Name, name)
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
	return nil, fmt.Errorf("signature: there is no form %q; the forms are %q", name, names)
}

func (s Scheme) validate() error {
	if !isCanonical(s.Header) {
		return errCanonical(s.Header)
	}
	if len(s.Fields) > maxFields {
		return fmt.Errorf("signature: %d fields are more than the %d that a Scheme may have", len(s.Fields), maxFields)
	}
	fields := make(map[string]bool, len(s.Fields))
	for _, f := range s.Fields {
		switch {
		case !isCanonical(f.Header):
			return errCanonical(f.Header)
		case f.Header == s.Header || fields[f.Header]:
			return fmt.Errorf("signature: the header %q stands twice in a Scheme", f.Header)
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
			return fmt.Errorf("signature: every form of a Scheme needs a name of its own; %q is none", form.Name)
		}
		names[form.Name] = true
		// A time is an opaque value as well: with as many headers, one form could be taken for the other.
		if other, ok := covering[len(form.Covers)]; ok {
			return fmt.Errorf("signature: forms %q and %q cover the same number of headers, so they cannot be told apart", other, form.Name)
		}
		covering[len(form.Covers)] = form.Name
		for i, name := range form.Covers {
			if !fields[name] || slices.Contains(form.Covers[:i], name) {
				return fmt.Errorf("signature: form %q covers the header %q, which is not among the Scheme's Fields or covered twice", form.Name, name)
			}
		}
	}
	return nil
}

func isCanonical(name string) bool { return name != "" && name == http.CanonicalHeaderKey(name) }

func errCanonical(name string) error {
	return fmt.Errorf("signature: the header %q of a Scheme must be written in its canonical form", name)
}

// clone returns a copy that shares nothing with s.
func (s Scheme) clone() Scheme {
	s.Forms, s.Fields, s.unpinned = slices.Clone(s.Forms), slices.Clone(s.Fields), nil
	for i := range s.Forms {
		s.Forms[i].Covers = slices.Clone(s.Forms[i].Covers)
	}
	return s
}

// appendPrefix appends what is signed before the body.
func appendPrefix(b []byte, covered []string) []byte {
	for _, value := range covered {
		b = append(b, value...)
		b = append(b, '.')
	}
	return b
}

// values returns the values of the covered headers, which must be there.
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
