package signature

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// bodyName is the name of the body in a template.
const bodyName = "body"

// A part of a template is a literal text, and then a field or the body. The last part of a template may be a text only.
type part struct {
	text  string
	name  string // of the field, or bodyName; "" at the end of the template
	field int    // an index of the scheme's Fields, bodyField or noField; set by compile
}

// The fields of parts that are not a field.
const (
	bodyField = -1
	noField   = -2 // the end of the template
)

// parse splits the template into its parts.
func (f *Form) parse() ([]part, error) {
	rest := cmp.Or(f.Signs, "{"+bodyName+"}")
	var parts []part
	for rest != "" {
		text, after, found := strings.Cut(rest, "{")
		name, next, closed := strings.Cut(after, "}")
		if strings.Contains(text, "}") || found && (!closed || name == "") {
			return nil, f.refuse("must have each name in braces")
		}
		if slices.ContainsFunc(parts, func(q part) bool { return q.name == name }) {
			return nil, f.refuse("must name %q once", name)
		}
		parts = append(parts, part{text: text, name: name})
		rest = next
	}
	return parts, nil
}

func (f *Form) refuse(format string, args ...any) error {
	return fmt.Errorf("signature: form %q: Signs (%q) %s", f.Name, f.Signs, fmt.Sprintf(format, args...))
}

// compile parses and checks the template.
func (f *Form) compile(s *Scheme) (err error) {
	if f.parts, err = f.parse(); err != nil {
		return err
	}
	hasBody := false
	for i := range f.parts {
		p := &f.parts[i]
		switch p.name {
		case "":
			p.field = noField
		case bodyName:
			p.field, hasBody = bodyField, true
		default:
			if p.field = slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name() == p.name }); p.field < 0 {
				return f.refuse("names %q, which must be among the Scheme's Fields", p.name)
			}
		}
	}
	if !hasBody {
		return f.refuse("must name the body")
	}
	return f.checkTexts(s)
}

// checkTexts checks that the signed bytes can be split into the values in one way only.
func (f *Form) checkTexts(s *Scheme) error {
	bounded := func(field int, c byte) bool { return field == bodyField || !s.Fields[field].Grammar.allows(c) }
	for i, p := range f.parts {
		if i == 0 {
			continue
		}
		before := f.parts[i-1].field
		switch {
		case p.text == "":
			return f.refuse("must have a text between two values")
		case !bounded(before, p.text[0]), p.name != "" && !bounded(p.field, p.text[len(p.text)-1]):
			return f.refuse("must have a text next to each value that cannot be a part of it, not %q", p.text)
		}
	}
	return nil
}

// isDotted reports whether the form is values, each followed by a dot, and then the body.
func (f *Form) isDotted(s *Scheme) bool {
	for i, p := range f.parts {
		dot := "."
		if i == 0 {
			dot = ""
		}
		isBody := p.name == bodyName
		if p.text != dot || p.name == "" || isBody != (i == len(f.parts)-1) || !isBody && s.Fields[p.field].Grammar == Visible {
			return false
		}
	}
	return true
}

// Covers returns the names of the values that the form covers, in the order of the template.
func (f Form) Covers() []string {
	parts, _ := f.parse() // an invalid form covers nothing
	var names []string
	for _, p := range parts {
		if p.name != "" && p.name != bodyName {
			names = append(names, p.name)
		}
	}
	return names
}

// Append appends the signed bytes to b, with the values of the covered fields in the order of [Form.Covers].
func (f Form) Append(b []byte, covered []string, body []byte) []byte {
	parts, _ := f.parse()
	for _, p := range parts {
		b = append(b, p.text...)
		switch {
		case p.name == bodyName:
			b = append(b, body...)
		case p.name != "":
			b, covered = append(b, covered[0]...), covered[1:]
		}
	}
	return b
}

// lacks returns the name of a field that the form covers and that has no value, or "".
func (f *Form) lacks(values *[maxFields]string) string {
	for _, p := range f.parts {
		if p.field >= 0 && values[p.field] == "" {
			return p.name
		}
	}
	return ""
}

// append appends the signed bytes before the body to before, and those after the body to after. These are usually none.
func (f *Form) append(before, after []byte, values *[maxFields]string) (b, a []byte) {
	to := &before
	for _, p := range f.parts {
		*to = append(*to, p.text...)
		switch p.field {
		case noField:
		case bodyField:
			to = &after
		default:
			*to = append(*to, values[p.field]...)
		}
	}
	return before, after
}

// digest returns the SHA-256 of the signed bytes.
func (f *Form) digest(s *Scheme, h http.Header, body []byte) [sha256.Size]byte {
	if len(f.parts) == 1 && f.parts[0].text == "" {
		return sha256.Sum256(body)
	}
	values := s.values(h)
	before, after := f.append(nil, nil, &values)
	hash := sha256.New()
	hash.Write(before)
	hash.Write(body)
	hash.Write(after)
	return [sha256.Size]byte(hash.Sum(nil))
}
