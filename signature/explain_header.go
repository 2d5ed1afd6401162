package signature

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func sayf(m Mistake, format string, args ...any) (Explanation, bool) {
	return Explanation{m, fmt.Sprintf(format, args...)}, true
}

// signatureHeader reads the MAC, if it can be read.
func (s *search) signatureHeader() (Explanation, bool) {
	name := s.q.Scheme.Header
	if e, ok := s.notSingle(name); ok {
		if e.Mistake != HeaderMissing {
			return e, true
		}
		if other := s.headerOfAnother(); other != "" && len(s.q.Header[name]) == 0 {
			return sayf(HeaderOfAnother, "the header %s is missing, but %s is there, which looks like another sender's: look whether the sender was given the right URL, and whether something on the way renames headers", name, other)
		}
		return e, true
	}
	s.readable = decodeMAC(&s.want, s.q.Header[name][0], s.q.Scheme.Prefix)
	return Explanation{}, false
}

// otherHeaders looks at the headers that may be covered, and composes the forms.
func (s *search) otherHeaders() (Explanation, bool) {
	for _, f := range s.q.Scheme.Fields {
		if len(s.q.Header[f.Header]) == 0 && !f.Required {
			continue
		}
		if e, ok := s.notSingle(f.Header); ok {
			return e, true
		}
		if value := s.q.Header[f.Header][0]; !f.Grammar.accepts(value) {
			if f.Grammar == UnixTime {
				return notUnixTime(f.Header, value), true
			}
			return sayf(HeaderMalformed, "the header %s does not have its documented form: 1 to %d letters, digits, underscores and hyphens", f.Header, maxOpaque)
		}
	}
	if s.forms = s.compose(s.q.Scheme.Forms); len(s.forms) > 0 {
		return Explanation{}, false
	}
	for _, name := range s.q.Scheme.Forms[0].Covers {
		if e, ok := s.notSingle(name); ok {
			return e, true
		}
	}
	return Explanation{}, false
}

// notSingle says why a header cannot be read, if it cannot.
func (s *search) notSingle(name string) (Explanation, bool) {
	values := s.q.Header[name]
	switch {
	case len(values) > 1:
		return sayf(HeaderRepeated, "the header %s came %d times and must be single: the sender, or something on the way, repeats it", name, len(values))
	case len(values) == 1 && values[0] == "":
		return sayf(HeaderMissing, "the header %s is there but empty", name)
	case len(values) == 1:
		return Explanation{}, false
	}
	for other := range s.q.Header {
		if http.CanonicalHeaderKey(other) == name {
			return sayf(HeaderSpelling, "the header %s is there, but its name is not in the canonical form that is looked up: set it with http.Header.Set", name)
		}
	}
	if name != s.q.Scheme.Header {
		return sayf(HeaderMissing, "the header %s is missing, which the signature needs: either the sender does not send it, or something on the way drops it", name)
	}
	return sayf(HeaderMissing, "the header %s is missing: either the sender does not sign, or something on the way drops the header", name)
}

// maxOtherName is the longest name that another sender's header is believed to have, in bytes.
const maxOtherName = 64

// headerOfAnother returns the name of a header, none of the scheme's, that looks as if it carried a signature.
func (s *search) headerOfAnother() string {
	var found []string
	for name := range s.q.Header {
		lower := strings.ToLower(name)
		ours := name == s.q.Scheme.Header || slices.ContainsFunc(s.q.Scheme.Fields, func(f Field) bool { return f.Header == name })
		if !ours && len(name) <= maxOtherName && isToken(name) &&
			(strings.Contains(lower, "signature") || strings.Contains(lower, "hmac")) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

// isToken reports whether name has the letters, digits and hyphens that names of headers have. Printing anything else
// would let a stranger write into the log.
func isToken(name string) bool {
	for i := range len(name) {
		if !isOpaque(name[i]) {
			return false
		}
	}
	return name != ""
}

// notUnixTime says what a header with a time has in place of one.
func notUnixTime(name, value string) Explanation {
	const wanted = ", and a Unix time in seconds or milliseconds is expected: plain decimal digits"
	digits := strings.Trim(value, "0123456789") == ""
	switch {
	case digits && len(value) == 16:
		return Explanation{TimeUnit, "the header " + name + " has a time in microseconds" + wanted}
	case digits && len(value) == 19:
		return Explanation{TimeUnit, "the header " + name + " has a time in nanoseconds" + wanted}
	case isFraction(value):
		return Explanation{TimeFormat, "the header " + name + " has a time with a fraction" + wanted}
	case isDate(value):
		return Explanation{TimeFormat, "the header " + name + " has a date" + wanted}
	default:
		return Explanation{HeaderMalformed, "the header " + name + " has no time that can be read" + wanted}
	}
}

func isFraction(s string) bool {
	whole, fraction, ok := strings.Cut(s, ".")
	if !ok || fraction == "" || strings.Trim(fraction, "0123456789") != "" {
		return false
	}
	_, err := ParseUnix(whole)
	return err == nil
}

func isDate(s string) bool {
	for _, layout := range []string{time.RFC3339, http.TimeFormat, time.RFC1123Z, time.RFC850, time.ANSIC, time.DateTime, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
