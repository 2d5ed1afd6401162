package diagnose

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// signatureHeader decodes the received signatures, if it can.
func (d *diagnoser) signatureHeader() (Explanation, bool) {
	name := d.in.Scheme.Header
	if e, ok := d.notSingle(name); ok && (e.Cause != HeaderRepeated || d.in.Scheme.Separator == "") {
		if e.Cause != HeaderMissing {
			return e, true
		}
		if other := d.headerOfAnother(); other != "" && len(d.in.Header[name]) == 0 {
			return explainf(HeaderOfAnother, "the header %s is missing, but %s is present, which looks like another sender's: check that the sender has the right URL, and that nothing on the way renames headers", name, other)
		}
		return e, true
	}
	d.got, d.gotErr = d.in.Scheme.Signatures(d.in.Header)
	return Explanation{}, false
}

// otherFields checks the values that may be covered, and composes the forms.
func (d *diagnoser) otherFields() (Explanation, bool) {
	for _, f := range d.in.Scheme.Fields {
		name := f.Name()
		values := d.in.Scheme.Values(d.in.Header, name)
		if len(values) == 0 && !f.Required {
			continue
		}
		if e, ok := d.notSingle(name); ok {
			return e, true
		}
		if !f.Grammar.Accepts(values[0]) {
			switch f.Grammar {
			case signature.UnixTime:
				return notUnixTime(d.label(name), values[0]), true
			case signature.Visible:
				return explainf(HeaderMalformed, "the %s does not have its documented format: 1 to 128 visible ASCII characters without a dot", d.label(name))
			}
			return explainf(HeaderMalformed, "the %s does not have its documented format: 1 to 128 letters, digits, underscores and hyphens", d.label(name))
		}
	}
	if d.forms = d.compose(d.in.Scheme.Forms); len(d.forms) > 0 {
		return Explanation{}, false
	}
	for _, name := range d.in.Scheme.Forms[0].Covers() {
		if e, ok := d.notSingle(name); ok {
			return e, true
		}
	}
	return Explanation{}, false
}

// label returns what a name in a template is called.
func (d *diagnoser) label(name string) string {
	if slices.ContainsFunc(d.in.Scheme.Fields, func(f signature.Field) bool { return f.Element == name }) {
		return "element " + name + " of the header " + d.in.Scheme.Header
	}
	return "header " + name
}

// notSingle explains a value that does not appear exactly once.
func (d *diagnoser) notSingle(name string) (Explanation, bool) {
	values, label := d.in.Scheme.Values(d.in.Header, name), d.label(name)
	switch {
	case len(values) > 1:
		return explainf(HeaderRepeated, "the %s appears %d times and must appear once: the sender, or something on the way, repeats it", label, len(values))
	case len(values) == 1 && values[0] == "":
		return explainf(HeaderMissing, "the %s is present but empty", label)
	case len(values) == 1:
		return Explanation{}, false
	}
	for other := range d.in.Header {
		if http.CanonicalHeaderKey(other) == name {
			return explainf(HeaderSpelling, "the %s is present, but its name is not in canonical form: set it with http.Header.Set", label)
		}
	}
	if name != d.in.Scheme.Header {
		return explainf(HeaderMissing, "the %s is missing, and the signature needs it: either the sender does not send it, or something on the way drops it", label)
	}
	return explainf(HeaderMissing, "the %s is missing: either the sender does not sign, or something on the way drops the header", label)
}

// maxOtherName is the longest header name, in bytes, that is taken for another sender's.
const maxOtherName = 64

// headerOfAnother returns the name of a header outside the scheme that looks like a signature.
func (d *diagnoser) headerOfAnother() string {
	var found []string
	for name := range d.in.Header {
		lower := strings.ToLower(name)
		ours := name == d.in.Scheme.Header || slices.ContainsFunc(d.in.Scheme.Fields, func(f signature.Field) bool { return f.Header == name })
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

// isToken reports whether name has only letters, digits, hyphens and underscores. Printing other characters would let
// any sender write into the log.
func isToken(name string) bool { return signature.Opaque.Accepts(name) }

// notUnixTime explains a header that must have a Unix time and has something else.
func notUnixTime(label, value string) Explanation {
	const wanted = "; it must be a Unix time in seconds or milliseconds, in plain decimal digits"
	digits := strings.Trim(value, "0123456789") == ""
	switch {
	case digits && len(value) == 16:
		return Explanation{TimeUnit, "the " + label + " has a time in microseconds" + wanted}
	case digits && len(value) == 19:
		return Explanation{TimeUnit, "the " + label + " has a time in nanoseconds" + wanted}
	case isFraction(value):
		return Explanation{TimeFormat, "the " + label + " has a time with a fraction" + wanted}
	case isDate(value):
		return Explanation{TimeFormat, "the " + label + " has a date" + wanted}
	default:
		return Explanation{HeaderMalformed, "the " + label + " has no valid time" + wanted}
	}
}

func isFraction(s string) bool {
	whole, fraction, ok := strings.Cut(s, ".")
	if !ok || fraction == "" || strings.Trim(fraction, "0123456789") != "" {
		return false
	}
	_, err := signature.ParseUnix(whole)
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
