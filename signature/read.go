package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"net/http"
	"strings"
)

// The bounds of a list.
const (
	maxElements   = 16
	maxCandidates = 8
)

// received are the signatures and the fields of a delivery.
type received struct {
	n      int // of signatures
	first  candidate
	others *[maxCandidates - 1]candidate // nil without others, which are rare: setting them all to zero takes time
	fields [maxFields]string             // "" if missing
}

// at returns the signature of that index.
func (r *received) at(i int) *candidate {
	if i == 0 {
		return &r.first
	}
	return &r.others[i-1]
}

// A candidate is a decoded signature.
type candidate struct {
	version int
	bytes   [maxSignature]byte
}

// has reports whether there is a signature of a version.
func (r *received) has(version int) bool {
	for i := range r.n {
		if r.at(i).version == version {
			return true
		}
	}
	return false
}

// hasMAC reports whether one of the signatures of a version is sum.
func (r *received) hasMAC(version int, sum []byte) (equal bool) {
	for i := range r.n {
		if c := r.at(i); c.version == version {
			equal = hmac.Equal(sum, c.bytes[:len(sum)]) || equal
		}
	}
	return equal
}

// hasSignature reports whether one of the signatures of a version is by the key over the signed bytes.
func (r *received) hasSignature(version int, key ed25519.PublicKey, signed []byte) (valid bool) {
	for i := range r.n {
		if c := r.at(i); c.version == version {
			valid = ed25519.Verify(key, signed, c.bytes[:ed25519.SignatureSize]) || valid
		}
	}
	return valid
}

// read reads the signatures and fields of a delivery.
func (s *Scheme) read(h http.Header, r *received) error {
	if err := s.readHeader(h, r); err != nil {
		return err
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Element != "" {
			continue
		}
		var err error
		if r.fields[i], err = f.read(h[f.Header]); err != nil {
			return err
		}
	}
	return nil
}

// readHeader reads the scheme's header.
func (s *Scheme) readHeader(h http.Header, r *received) error {
	if s.Separator == "" {
		return s.readOne(h, r)
	}
	return s.readList(h, r)
}

// readOne reads a header that is one signature.
func (s *Scheme) readOne(h http.Header, r *received) error {
	value, err := single(h[s.Header], s.Header)
	if err != nil {
		return err
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		bare, marked := strings.CutPrefix(value, v.Prefix)
		if !marked && len(s.Versions) > 1 {
			continue
		}
		if v.Encoding.decode(r.first.bytes[:v.size], bare) {
			r.first.version, r.n = i, 1
			return nil
		}
	}
	return &Error{Malformed, s.Header, "is not one " + s.kinds()}
}

// kinds returns what the signatures are, such as "HMAC-SHA256 in hex".
func (s *Scheme) kinds() string {
	kinds := make([]string, len(s.Versions))
	for i := range s.Versions {
		v := &s.Versions[i]
		kinds[i] = string(v.Algorithm) + " in " + string(v.Encoding)
	}
	return strings.Join(kinds, " or ")
}

// readList reads the elements of a list.
func (s *Scheme) readList(h http.Header, r *received) error {
	lines := h[s.Header]
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return &Error{Missing, s.Header, "is missing or empty"}
	}
	var seen [maxFields]bool
	list := s.elements(h)
	for element, ok := list.next(); ok; element, ok = list.next() {
		if list.read > maxElements {
			return &Error{Malformed, s.Header, "has too many elements"}
		}
		if element == "" {
			return &Error{Malformed, s.Header, "has an empty element"}
		}
		if err := s.readElement(element, r, &seen); err != nil {
			return err
		}
	}
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Element != "" && f.Required && r.fields[i] == "" {
			return &Error{Missing, s.Header, "lacks the element " + f.Element}
		}
	}
	if r.n == 0 {
		return &Error{Malformed, s.Header, "has no " + s.kinds()}
	}
	return nil
}

func (s *Scheme) readElement(element string, r *received, seen *[maxFields]bool) error {
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Element == "" {
			continue
		}
		value, ok := cutName(element, f.Element)
		if !ok {
			continue
		}
		if seen[i] {
			return &Error{Repeated, s.Header, "has the element " + f.Element + " more than once"}
		}
		seen[i] = true
		if !f.Grammar.Accepts(value) {
			return &Error{Malformed, s.Header, "has an element " + f.Element + " that does not have its documented format"}
		}
		r.fields[i] = value
		return nil
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		bare, ok := strings.CutPrefix(element, v.Prefix)
		if !ok {
			continue
		}
		if r.n == maxCandidates {
			return &Error{Malformed, s.Header, "has too many signatures"}
		}
		if r.n > 0 && r.others == nil {
			r.others = new([maxCandidates - 1]candidate)
		}
		c := r.at(r.n)
		if !v.Encoding.decode(c.bytes[:v.size], bare) {
			return &Error{Malformed, s.Header, "has an element " + v.Prefix + " that is not one " + string(v.Algorithm) + " in " + string(v.Encoding)}
		}
		c.version = i
		r.n++
		return nil
	}
	return nil // of another version
}

// cutName returns the value of an element such as t=1492774577.
func cutName(element, name string) (value string, ok bool) {
	value, ok = strings.CutPrefix(element, name)
	if !ok || value == "" || value[0] != '=' {
		return "", false
	}
	return value[1:], true
}

// read returns the value of a header, or "" if it is missing and optional.
func (f *Field) read(values []string) (string, error) {
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

// A Signature is a received signature.
type Signature struct {
	Version Version
	Bytes   []byte
}

// Signatures returns the received signatures of the scheme's versions. The error is an [*Error] by the rules of
// [Verifier.Verify], or says why the scheme is invalid. It is for explanations.
func (s Scheme) Signatures(h http.Header) ([]Signature, error) {
	c, err := s.compiled()
	if err != nil {
		return nil, err
	}
	var r received
	if err := c.readHeader(h, &r); err != nil {
		return nil, err
	}
	all := make([]Signature, r.n)
	for i := range all {
		v := c.Versions[r.at(i).version]
		all[i] = Signature{v, r.at(i).bytes[:v.size]}
	}
	return all, nil
}

// Values returns the values in h of a header, or of the Field whose Element has that name. It checks no grammar. It does not
// read a list further than its first 17 elements, because [Verifier.Verify] refuses a list of more than 16.
func (s Scheme) Values(h http.Header, name string) []string {
	if !s.isElement(name) {
		return h[name]
	}
	var values []string
	list := s.elements(h)
	for element, ok := list.next(); ok; element, ok = list.next() {
		if value, ok := cutName(element, name); ok {
			values = append(values, value)
		}
	}
	return values
}

// Set sets a header, or the Field whose Element has that name. It checks no grammar.
func (s Scheme) Set(h http.Header, name, value string) {
	if !s.isElement(name) {
		h.Set(name, value)
		return
	}
	all := []string{name + "=" + value}
	list := s.elements(h)
	for element, ok := list.next(); ok; element, ok = list.next() {
		if _, same := cutName(element, name); !same {
			all = append(all, element)
		}
	}
	h.Set(s.Header, strings.Join(all, s.Separator))
}

func (s *Scheme) isElement(name string) bool {
	for i := range s.Fields {
		if s.Fields[i].Element == name && name != "" {
			return true
		}
	}
	return false
}

// elements are the elements of a list that are still to be read. It is no iterator: a closure would move what it captures to
// the heap, for each delivery.
type elements struct {
	separator string
	lines     []string
	line      string // the rest of the current line
	more      bool   // the current line has another element
	read      int
}

func (s *Scheme) elements(h http.Header) elements {
	return elements{separator: s.Separator, lines: h[s.Header]}
}

// next returns the next element: of a list that is too long, only as many as prove it.
func (e *elements) next() (element string, ok bool) {
	if e.read > maxElements {
		return "", false
	}
	if !e.more {
		if len(e.lines) == 0 {
			return "", false
		}
		e.line, e.lines = e.lines[0], e.lines[1:]
	}
	element, e.line, e.more = strings.Cut(e.line, e.separator)
	if e.separator != " " {
		element = strings.Trim(element, " ")
	}
	e.read++
	return element, true
}

// values returns the values of the fields. A field that is missing or repeated has none.
func (s *Scheme) values(h http.Header) (values [maxFields]string) {
	for i := range s.Fields {
		if all := s.Values(h, s.Fields[i].Name()); len(all) == 1 {
			values[i] = all[0]
		}
	}
	return values
}
