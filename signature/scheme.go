package signature

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
)

// maxOpaque is the most bytes an [Opaque] header may have.
const maxOpaque = 128

// A Scheme says, as data, how a sender signs: HMAC-SHA256, in hex, in one header.
type Scheme struct {
	// Header carries the MAC. It must be there exactly once.
	Header string

	// Prefix may stand before the hex digits, "sha256=" for instance, or may be left out by the sender.
	Prefix string

	// Forms are the compositions of signed bytes that are accepted. Where there are several, no delivery of one form
	// may be readable as one of another: see [Grammar].
	Forms []Form

	// Fields are the other headers that the scheme reads. All that a form covers must be among them.
	Fields []Field
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

// A Grammar is what a header's value may look like. Because neither grammar has a dot, and a body that is a JSON
// object begins with neither, the bytes of one [Form] cannot be cut differently to make a delivery of another.
type Grammar uint8

// The grammars.
const (
	// Opaque is 1 to 128 of A-Z, a-z, 0-9, "_" and "-".
	Opaque Grammar = iota + 1
	// UnixTime is 10 decimal digits, which are seconds, or 13, which are milliseconds. See [ParseUnix].
	UnixTime
)

func (g Grammar) accepts(s string) bool {
	switch g {
	case Opaque:
		if len(s) == 0 || len(s) > maxOpaque {
			return false
		}
		for i := range len(s) {
			c := s[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
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

// Pin returns a scheme that accepts the form of that name alone. An unknown name is an error that lists the known ones.
func (s Scheme) Pin(form string) (Scheme, error) {
	f, err := s.form(form)
	if err != nil {
		return Scheme{}, err
	}
	s.Forms = []Form{*f}
	return s, nil
}

// Sign sets the scheme's header on h to the signature of body by key, in the named form; the headers that the form
// covers must be set already. An empty form is the scheme's first.
func (s Scheme) Sign(key Key, form string, h http.Header, body []byte) error {
	f := &s.Forms[0]
	if form != "" {
		var err error
		if f, err = s.form(form); err != nil {
			return err
		}
	}
	if key.Secret.Blank() {
		return fmt.Errorf("signature: the secret of key %q is blank", key.Name)
	}
	for _, name := range f.Covers {
		if len(h[name]) != 1 {
			return fmt.Errorf("signature: form %q covers the header %s, which must be set once before signing", f.Name, name)
		}
	}
	m := newLiveKey(key).macs.New().(*mac)
	h.Set(s.Header, fmt.Sprintf("%s%x", s.Prefix, m.over(f, h, body)))
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
	if len(s.Forms) == 0 {
		return errors.New("signature: a Scheme needs at least one form")
	}
	fields := map[string]bool{s.Header: false}
	for _, f := range s.Fields {
		fields[f.Header] = true
	}
	for name := range fields {
		if name == "" || name != http.CanonicalHeaderKey(name) {
			return fmt.Errorf("signature: the header %q of a Scheme must be written in its canonical form", name)
		}
	}
	for _, form := range s.Forms {
		for _, name := range form.Covers {
			if !fields[name] {
				return fmt.Errorf("signature: form %q covers the header %q, which is not among the Scheme's Fields", form.Name, name)
			}
		}
	}
	return nil
}

func (f *Form) appendPrefix(b []byte, h http.Header) []byte {
	for _, name := range f.Covers {
		b = append(b, h[name][0]...)
		b = append(b, '.')
	}
	return b
}

// covered reports whether every header that the form covers is there.
func (f *Form) covered(h http.Header) bool {
	for _, name := range f.Covers {
		if len(h[name]) == 0 {
			return false
		}
	}
	return true
}

func (f *Form) digest(h http.Header, body []byte) [sha256.Size]byte {
	if len(f.Covers) == 0 {
		return sha256.Sum256(body)
	}
	hash := sha256.New()
	hash.Write(f.appendPrefix(nil, h))
	hash.Write(body)
	return [sha256.Size]byte(hash.Sum(nil))
}
