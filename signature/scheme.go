package signature

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	maxOpaque = 128 // bytes of an Opaque or Visible value
	maxFields = 4   // of a Scheme; the values are read into an array, which needs no allocation
)

// A Scheme describes how a sender signs. The zero value of each optional field is the most common choice: one HMAC-SHA256
// of the body in hex, keyed with the secret's bytes.
type Scheme struct {
	// Header carries the signature. Without a Separator, it must be present exactly once and have one signature.
	Header string

	// Separator makes Header a list, such as "," for t=1492774577,v1=… or " " for v1,… v1,…. The list may continue in
	// further lines of the same header. One matching signature is enough. Elements that are neither a signature of one of
	// the Versions nor a Field are ignored: a sender may add others later. A list has at most 16 elements, and at most
	// 8 signatures of the Versions. A comma may have spaces around it.
	Separator string

	// Versions are the accepted kinds of signatures, at most 4. Defaults to one, the zero Version.
	Versions []Version

	// Forms are the accepted compositions of the signed bytes. Each needs a unique name. Several forms must each be values,
	// each followed by a dot, and then the body, such as "{X-Time}.{body}". They need a unique number of values, so that
	// a delivery of one form cannot be read as one of another: see [Grammar].
	Forms []Form

	// Fields are the other values that the scheme reads, at most 4. They must include all values that a form covers.
	Fields []Field

	// unpinned are the forms that Pin removed: see Excluded.
	unpinned []Form
}

// A Form is one composition of the signed bytes.
type Form struct {
	Name string

	// Signs is a template of the signed bytes. "{body}" is the body as received, and must appear once. "{X-Time}" is the
	// value of that header, and "{t}" that of an element: each must be one of the scheme's Fields. All other text is
	// literal. Between two of them there must be a text whose bytes next to a value do not occur in the value's Grammar.
	// Defaults to "{body}".
	Signs string

	parts []part // of Signs; set by compile, in a copy
}

// A Field is a value that a signature may cover. If present, it must appear once and match its grammar.
type Field struct {
	Header   string // its header, in canonical form
	Element  string // or its name in the list in the scheme's Header, such as "t" for t=1492774577
	Grammar  Grammar
	Required bool // also for forms that do not cover it
}

// Name returns the name of the field in templates, and for [Scheme.Values] and [Scheme.Set].
func (f Field) Name() string {
	if f.Element != "" {
		return f.Element
	}
	return f.Header
}

// A Grammar defines the allowed values of a field. No grammar allows a dot. So the bytes of one [Form] can be a
// delivery of another form only if a body begins with a value and a dot. A JSON object does not begin like that. If a
// scheme has several forms, a body that does is refused.
type Grammar uint8

// The grammars.
const (
	// Opaque is 1 to 128 of A-Z, a-z, 0-9, "_" and "-".
	Opaque Grammar = iota + 1
	// UnixTime is a Unix time in seconds or milliseconds, in plain decimal digits. See [ParseUnix].
	UnixTime
	// Visible is 1 to 128 visible ASCII characters except the dot, for ids of senders that do not say what an id contains.
	// A scheme with several forms must not use it.
	Visible
)

// Accepts reports whether a value matches the grammar.
func (g Grammar) Accepts(s string) bool {
	switch g {
	case Opaque, Visible:
		if len(s) == 0 || len(s) > maxOpaque {
			return false
		}
		for i := range len(s) {
			if !g.allows(s[i]) {
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

// allows reports whether values of the grammar may have the byte c.
func (g Grammar) allows(c byte) bool {
	switch g {
	case Opaque:
		return isOpaque(c)
	case UnixTime:
		return '0' <= c && c <= '9'
	default:
		return '!' <= c && c <= '~' && c != '.'
	}
}

func isOpaque(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// beginsAsCovered reports whether body begins like the values of a form: with a value and a dot.
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

func (s *Scheme) form(name string) (*Form, error) {
	names := make([]string, len(s.Forms))
	for i := range s.Forms {
		if s.Forms[i].Name == name {
			return &s.Forms[i], nil
		}
		names[i] = s.Forms[i].Name
	}
	return nil, fmt.Errorf("signature: form %q is unknown; the forms are %q", name, names)
}

// compiled returns a deep copy of s with all defaults and parsed templates, or an error if s is invalid.
func (s Scheme) compiled() (*Scheme, error) {
	c := s
	c.Versions, c.Forms, c.Fields, c.unpinned = slices.Clone(s.Versions), slices.Clone(s.Forms), slices.Clone(s.Fields), nil
	if len(c.Versions) == 0 {
		c.Versions = []Version{{}}
	}
	for _, check := range []func() error{c.checkHeader, c.checkFields, c.compileVersions, c.compileForms} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

func (s *Scheme) checkHeader() error {
	if !isCanonical(s.Header) {
		return errCanonical(s.Header)
	}
	if s.Separator != "" && (len(s.Separator) != 1 || s.Separator[0] <= ' ' && s.Separator != " " || isOpaque(s.Separator[0]) || strings.Contains("+/=.", s.Separator)) {
		return fmt.Errorf("signature: the Separator %q of a Scheme must be one character that no signature has", s.Separator)
	}
	return nil
}

func (s *Scheme) checkFields() error {
	if len(s.Fields) > maxFields {
		return fmt.Errorf("signature: a Scheme has at most %[2]d Fields, not %[1]d", len(s.Fields), maxFields)
	}
	seen := make(map[string]bool, len(s.Fields))
	for i := range s.Fields {
		f := &s.Fields[i]
		switch {
		case f.Element == "" && !isCanonical(f.Header):
			return errCanonical(f.Header)
		case f.Element != "" && (f.Header != "" || s.Separator == "" || !Opaque.Accepts(f.Element)):
			return fmt.Errorf("signature: the element %q of a Scheme must be of letters, digits, \"_\" and \"-\", without a Header, and the Scheme needs a Separator", f.Element)
		case f.Name() == s.Header || seen[f.Name()] || f.Name() == bodyName:
			return fmt.Errorf("signature: the header %q must not appear twice in a Scheme", f.Name())
		case f.Grammar < Opaque || f.Grammar > Visible:
			return fmt.Errorf("signature: the header %q of a Scheme needs a Grammar", f.Name())
		}
		seen[f.Name()] = true
	}
	return nil
}

func (s *Scheme) compileForms() error {
	if len(s.Forms) == 0 {
		return errors.New("signature: a Scheme needs at least one form")
	}
	names, covering := make(map[string]bool, len(s.Forms)), make(map[int]string, len(s.Forms))
	for i := range s.Forms {
		form := &s.Forms[i]
		if form.Name == "" || names[form.Name] {
			return fmt.Errorf("signature: every form of a Scheme must have a unique name, not %q", form.Name)
		}
		names[form.Name] = true
		if err := form.compile(s); err != nil {
			return err
		}
		if len(s.Forms) == 1 {
			break
		}
		if !form.isDotted(s) {
			return fmt.Errorf("signature: form %q must be values, each followed by a dot, and then the body, because the Scheme has several forms", form.Name)
		}
		// A time is also an Opaque value. With the same number of values, one form could be read as the other.
		n := len(form.parts)
		if other, ok := covering[n]; ok {
			return fmt.Errorf("signature: forms %q and %q must not cover the same number of values, because they cannot be distinguished", other, form.Name)
		}
		covering[n] = form.Name
	}
	return nil
}

func isCanonical(name string) bool { return name != "" && name == http.CanonicalHeaderKey(name) }

func errCanonical(name string) error {
	return fmt.Errorf("signature: the header %q of a Scheme must be in canonical form", name)
}
