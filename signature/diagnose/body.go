package diagnose

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"html"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/signature"
)

// A bodyChange undoes a possible change of the body. It returns nil, or the same body, if the change does not apply.
type bodyChange struct {
	cause  Cause
	says   string // follows "the signature is that "
	change func(body []byte) []byte
}

const (
	passOn = "pass the body on as it was received"

	// either explains a change that the sender may also have made, after signing.
	either = "either the sender signed that and sent another body, or something on the way changed the body; then " + passOn
)

// The first match is reported, so the smallest change comes first.
var bodyChanges = []bodyChange{
	{BodyEnds, "of the body without the line break at its end: " + either, func(b []byte) []byte {
		return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	}},
	{BodyEnds, "of the body with a line break at its end: " + either, func(b []byte) []byte {
		return appended(b, "\n")
	}},
	{BodyEnds, "of the body with a line break (CRLF) at its end: " + either, func(b []byte) []byte {
		return appended(b, "\r\n")
	}},
	{BodyEnds, "of the body without the whitespace around it: " + either, bytes.TrimSpace},
	{BodyLineBreaks, "of the body with LF as line breaks instead of CRLF: " + either, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	}},
	{BodyLineBreaks, "of the body with CRLF as line breaks instead of LF: " + either, func(b []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}},
	{BodyByteOrderMark, "of the body without the byte order mark: " + either, func(b []byte) []byte {
		return bytes.TrimPrefix(b, []byte(byteOrderMark))
	}},
	{BodyByteOrderMark, "of the body with a byte order mark: " + either, func(b []byte) []byte {
		return append([]byte(byteOrderMark), b...)
	}},
	{BodyInBase64, "of the decoded body, which a gateway passed on in base64: decode it before the handler", fromBase64},
	{BodyWrapped, "of the member body of the event that was given as the body: give only that member", fromMember("body")},
	{BodyWrapped, "of the member body, in base64, of the event that was given as the body: give only that member, decoded", func(b []byte) []byte {
		return fromBase64(fromMember("body")(b))
	}},
	{BodyWrapped, "of the member payload of the object that was given as the body: give only that member", fromMember("payload")},
	{BodyWrapped, "of the member Message of the notification that was given as the body: give only that member", fromMember("Message")},
	{BodyWrapped, "of the text of the JSON string that was given as the body: give the text", fromString},
	{BodyWrapped, "of the one element of the list that was given as the body: give only the element", fromList},
	{BodyWrapped, "of the value of the form field that was given as the body: give only the value, decoded", fromForm},
	{BodyCompressed, "of the body before it was compressed: decompress it before the handler", fromGzip},
	{BodyEscaped, "of the body without the backslash before each single quote: " + either + ", without the escapes of a gateway's template", func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(`\'`), []byte("'"))
	}},
	{BodyEscaped, "of the body before it was escaped for HTML: " + either, func(b []byte) []byte {
		return []byte(html.UnescapeString(string(b)))
	}},
	{BodyCharset, "of the body in another encoding, and it was converted from Latin-1 to UTF-8: " + either, fromLatin1},
	{BodyCharset, "of the body in another encoding, and it was converted from Windows-1252 to UTF-8: " + either, fromWindows1252},
	{BodyCharset, "of the body in UTF-8, and it was converted to Windows-1252 or Latin-1: " + either, toWindows1252},
	{BodyCharset, "of the body in UTF-8, and it was converted to UTF-16: " + either, func(b []byte) []byte {
		return []byte(fromUTF16(string(b)))
	}},
}

const byteOrderMark = "\ufeff"

// otherBodies tries the possible bodies before a change on the way.
func (d *diagnoser) otherBodies() (Explanation, bool) {
	tried := tried{seed: maphash.MakeSeed()}
	tried.before(d.in.Body)
	for _, c := range bodyChanges {
		if !d.spend(len(d.in.Body)) {
			return Explanation{}, false
		}
		if d.overAnother(&tried, c.change(d.in.Body)) {
			return explainf(c.cause, "the signature is that %s", c.says)
		}
	}
	return d.otherJSON(&tried)
}

// overAnother reports whether a live key makes the MAC over body, unless body was tried before. An ambiguous body proves
// nothing, because its signed bytes may have been split at another place.
func (d *diagnoser) overAnother(t *tried, body []byte) bool {
	if len(body) == 0 || d.in.Scheme.Ambiguous(body) || t.before(body) {
		return false
	}
	return d.signed(body)
}

// tried has the digests of the bodies that were tried. A collision only costs an explanation.
type tried struct {
	seed maphash.Seed
	seen []uint64
}

func (t *tried) before(body []byte) bool {
	sum := maphash.Bytes(t.seed, body)
	if slices.Contains(t.seen, sum) {
		return true
	}
	t.seen = append(t.seen, sum)
	return false
}

func appended(b []byte, s string) []byte {
	out := make([]byte, 0, len(b)+len(s))
	return append(append(out, b...), s...)
}

func fromBase64(b []byte) []byte {
	b = bytes.TrimRight(bytes.TrimSpace(b), "=")
	if len(b) == 0 || !isBase64(b[0]) {
		return nil
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if n, err := e.Decode(out, b); err == nil {
			return out[:n]
		}
	}
	return nil
}

func isBase64(c byte) bool {
	return c == '+' || c == '/' || signature.Opaque.Accepts(string(rune(c)))
}

// fromMember returns the value of an object's member. Gateways, load balancers and queues pass such objects to a
// function.
func fromMember(name string) func([]byte) []byte {
	return func(b []byte) []byte {
		b = bytes.TrimSpace(b)
		if len(b) > maxJSON || !bytes.HasPrefix(b, []byte("{")) || !bytes.Contains(b, []byte(`"`+name+`"`)) {
			return nil
		}
		values := make([][]byte, 1)
		if jsonpeek.Scan(b, []string{name}, values) != nil {
			return nil
		}
		if text := fromString(values[0]); text != nil {
			return text
		}
		return values[0]
	}
}

// fromList returns the content of a list.
func fromList(b []byte) []byte {
	inner, opened := bytes.CutPrefix(bytes.TrimSpace(b), []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	if !opened || !closed {
		return nil
	}
	return bytes.TrimSpace(inner)
}

// maxFormFields is how many fields of a form are searched.
const maxFormFields = 8

// fromForm returns the first value or name of a form that is JSON.
func fromForm(b []byte) []byte {
	if startsJSON(b) || !bytes.ContainsRune(b, '=') {
		return nil
	}
	fields := strings.SplitN(string(b), "&", maxFormFields)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		for _, escaped := range []string{value, name} {
			if text, err := url.QueryUnescape(escaped); err == nil && startsJSON([]byte(text)) {
				return []byte(text)
			}
		}
	}
	return nil
}

func fromString(b []byte) []byte {
	var text string
	if b = bytes.TrimSpace(b); len(b) > maxJSON || !bytes.HasPrefix(b, []byte(`"`)) || json.Unmarshal(b, &text) != nil {
		return nil
	}
	return []byte(text)
}

// fromGzip decompresses at most maxJSON bytes, because a few bytes can expand to gigabytes.
func fromGzip(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte("\x1f\x8b")) {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil || len(out) > maxJSON {
		return nil
	}
	return out
}

// fromLatin1 undoes a conversion of bytes from Latin-1 to UTF-8.
func fromLatin1(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r > 0xff || r == utf8.RuneError {
			return nil
		}
		out = append(out, byte(r))
		b = b[size:]
	}
	return out
}

// windows1252 has the characters of the bytes 0x80 to 0x9f. Unassigned bytes map to themselves, as in the WHATWG
// Encoding Standard.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// fromWindows1252 undoes a conversion of bytes from Windows-1252 to UTF-8.
func fromWindows1252(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r >= 0x80 && (r < 0xa0 || r > 0xff) {
			i := slices.Index(windows1252[:], r)
			if i < 0 {
				return nil
			}
			r = rune(0x80 + i)
		}
		out = append(out, byte(r))
	}
	return out
}

// toWindows1252 converts bytes from Windows-1252, a superset of Latin-1, to UTF-8.
func toWindows1252(b []byte) []byte {
	if utf8.Valid(b) {
		return nil
	}
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		r := rune(c)
		if 0x80 <= c && c < 0xa0 {
			r = windows1252[c-0x80]
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// fromUTF16 converts s from UTF-16 to UTF-8. It recognizes UTF-16 by a byte order mark, or by a NUL next to each ASCII
// character.
func fromUTF16(s string) string {
	if len(s) < 4 || len(s)%2 != 0 {
		return ""
	}
	big := strings.HasPrefix(s, "\xfe\xff") || s[0] == 0
	if !big && !strings.HasPrefix(s, "\xff\xfe") && s[1] != 0 {
		return ""
	}
	units := make([]uint16, len(s)/2)
	for i := range units {
		first, second := uint16(s[2*i]), uint16(s[2*i+1])
		if big {
			first, second = second, first
		}
		units[i] = first | second<<8
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), byteOrderMark)
}
