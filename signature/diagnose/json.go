package diagnose

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSON is the longest body, in bytes, that is parsed.
const maxJSON = 256 << 10

// jsonCost is the cost of rewriting a byte, relative to hashing it.
const jsonCost = 4

// A jsonStyle is one serialization of JSON.
type jsonStyle struct {
	name   string
	space  string // after commas and colons, if there is no indentation
	indent string // of one level; empty for no line breaks
	escape escaping
	end    string
}

// An escaping selects the characters in strings that are escaped in addition to the required ones.
type escaping uint8

const (
	asWritten     escaping = 0 // escapes stay unchanged
	unescaped     escaping = 1 << iota
	escapeASCII            // all non-ASCII characters: Python, PHP
	escapeHTML             // <, >, & and two separators: Go, Ruby on Rails
	escapeSlashes          // PHP
)

// jsonStyles are the serializations of common libraries, the most common first.
var jsonStyles = []jsonStyle{
	{name: "compact"},
	{name: "compact", escape: unescaped},
	{name: "as Python writes it", space: " ", escape: escapeASCII},
	{name: "as Python writes it", space: " "},
	{name: "as Python writes it", space: " ", escape: unescaped},
	{name: "compact, in ASCII", escape: escapeASCII},
	{name: "as Go writes it", escape: escapeHTML},
	{name: "as Go's json.Encoder writes it", escape: escapeHTML, end: "\n"},
	{name: "as PHP writes it", escape: escapeASCII | escapeSlashes},
	{name: "with escaped slashes", escape: escapeSlashes},
	{name: "indented", indent: "  "},
	{name: "indented", indent: "  ", escape: unescaped},
	{name: "indented", indent: "  ", escape: unescaped, end: "\n"},
	{name: "indented", indent: "  ", escape: escapeASCII},
	{name: "indented", indent: "  ", escape: escapeHTML},
	{name: "indented", indent: "    "},
	{name: "indented", indent: "    ", escape: unescaped},
	{name: "indented", indent: "    ", escape: escapeASCII},
	{name: "indented", indent: "    ", escape: escapeASCII | escapeSlashes},
	{name: "indented", indent: "\t"},
	{name: "indented", indent: "\t", escape: unescaped},
}

// sortedStyles are the serializations of libraries that sort the members of objects.
var sortedStyles = []jsonStyle{
	{name: "compact, with sorted members", escape: unescaped},
	{name: "as Go writes it, with sorted members", escape: escapeHTML},
	{name: "as Python writes it, with sorted members", space: " ", escape: escapeASCII},
	{name: "as Python writes it, with sorted members", space: " ", escape: unescaped},
	{name: "compact, in ASCII, with sorted members", escape: escapeASCII},
}

// otherJSON tries other serializations of the JSON in the body.
func (d *diagnoser) otherJSON(t *tried) (Explanation, bool) {
	body := d.in.Body
	switch {
	case len(body) > maxJSON:
		d.ended = d.ended || startsJSON(body)
		return Explanation{}, false
	case !startsJSON(body) || !d.spend(jsonCost*len(body)) || !json.Valid(body):
		return Explanation{}, false
	}
	if e, ok := d.styled(t, body, jsonStyles); ok {
		return e, true
	}
	if !d.spend(4 * jsonCost * len(body)) {
		return Explanation{}, false
	}
	if sorted := sortMembers(body); sorted != nil {
		return d.styled(t, sorted, sortedStyles)
	}
	return Explanation{}, false
}

func startsJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

func (d *diagnoser) styled(t *tried, body []byte, styles []jsonStyle) (Explanation, bool) {
	for i := range styles {
		written := styles[i].rewrite(body, func(n int) bool { return d.spend(jsonCost * n) })
		if d.overAnother(t, written) {
			return explainf(BodyReserialized, "the signature is that of the same JSON %s: either the sender signed that and sent it in another way, or something parsed the body and wrote it again, then %s", styles[i].name, passOn)
		}
	}
	return Explanation{}, false
}

// sortMembers returns body with the members of its objects sorted.
func sortMembers(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // numbers stay unchanged
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return sorted
}

// rewrite serializes body, which must be valid JSON, in the style. It returns nil if spend reports that the budget is
// exceeded.
func (j *jsonStyle) rewrite(body []byte, spend func(n int) bool) []byte {
	out, spent, depth := make([]byte, 0, len(body)+len(body)/4), 0, 0
	for i := 0; i < len(body); {
		if len(out) > spent {
			if !spend(len(out) - spent + 1024) {
				return nil
			}
			spent = len(out) + 1024
		}
		switch c := body[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '{', '[':
			i++
			out = append(out, c)
			for body[i] <= ' ' {
				i++
			}
			if body[i] == '}' || body[i] == ']' { // empty objects and lists stay on one line
				out = append(out, body[i])
				i++
				continue
			}
			depth++
			out = j.breakLine(out, depth)
		case '}', ']':
			i++
			depth--
			out = append(j.breakLine(out, depth), c)
		case ',':
			i++
			out = append(out, c)
			if j.indent == "" {
				out = append(out, j.space...)
			}
			out = j.breakLine(out, depth)
		case ':':
			i++
			out = append(out, c)
			out = append(out, j.space...)
			if j.indent != "" {
				out = append(out, ' ')
			}
		case '"':
			end := i + 1
			for body[end] != '"' {
				if body[end] == '\\' {
					end++
				}
				end++
			}
			out = j.escape.appendString(out, body[i:end+1])
			i = end + 1
		default:
			out = append(out, c)
			i++
		}
	}
	return append(out, j.end...)
}

func (j *jsonStyle) breakLine(out []byte, depth int) []byte {
	if j.indent == "" {
		return out
	}
	out = append(out, '\n')
	for range depth {
		out = append(out, j.indent...)
	}
	return out
}

// appendString appends a JSON string with its quotes.
func (e escaping) appendString(out, quoted []byte) []byte {
	if e == asWritten {
		return append(out, quoted...)
	}
	out = append(out, '"')
	for raw := quoted[1 : len(quoted)-1]; len(raw) > 0; {
		plain := 0
		for plain < len(raw) && isPlain(raw[plain]) {
			plain++
		}
		if plain > 0 {
			out, raw = append(out, raw[:plain]...), raw[plain:]
			continue
		}
		r, size := unescape(raw)
		if r == noRune { // keep invalid bytes
			out = append(out, raw[:size]...)
		} else {
			out = e.appendRune(out, r)
		}
		raw = raw[size:]
	}
	return append(out, '"')
}

// isPlain reports whether every escaping leaves c unchanged. Most characters are plain, and are copied together.
func isPlain(c byte) bool {
	return ' ' <= c && c < utf8.RuneSelf && c != '\\' && c != '/' && c != '<' && c != '>' && c != '&'
}

func (e escaping) appendRune(out []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(out, '\\', byte(r))
	case '\b':
		return append(out, `\b`...)
	case '\f':
		return append(out, `\f`...)
	case '\n':
		return append(out, `\n`...)
	case '\r':
		return append(out, `\r`...)
	case '\t':
		return append(out, `\t`...)
	case '/':
		if e&escapeSlashes != 0 {
			return append(out, `\/`...)
		}
	case '<', '>', '&', '\u2028', '\u2029':
		if e&escapeHTML != 0 {
			return appendEscape(out, r)
		}
	}
	switch {
	case r >= ' ' && (r < utf8.RuneSelf || e&escapeASCII == 0):
		return utf8.AppendRune(out, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendEscape(appendEscape(out, high), low)
	default:
		return appendEscape(out, r)
	}
}

// appendEscape appends the escape of a character of 16 bits.
func appendEscape(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(out, '\\', 'u', digits[r>>12&0xf], digits[r>>8&0xf], digits[r>>4&0xf], digits[r&0xf])
}

const noRune rune = -1

// unescape returns the first character of a JSON string, and its encoded length. It returns noRune for half of a
// surrogate pair, and for bytes that are not UTF-8.
func unescape(raw []byte) (rune, int) {
	switch {
	case raw[0] != '\\':
		r, size := utf8.DecodeRune(raw)
		if r == utf8.RuneError && size == 1 {
			r = noRune
		}
		return r, size
	case raw[1] != 'u':
		return plainEscape(raw[1]), 2
	}
	r := hexRune(raw[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(raw[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return noRune, 6
}

func plainEscape(c byte) rune {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return rune(c) // a quote, a backslash or a slash
	}
}

// hexRune reads four hex digits.
func hexRune(digits []byte) rune {
	var b [2]byte
	_, _ = hex.Decode(b[:], digits) // the JSON is valid
	return rune(binary.BigEndian.Uint16(b[:]))
}
