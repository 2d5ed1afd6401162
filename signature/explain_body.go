package signature

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"io"
	"slices"
	"unicode/utf8"
)

// A bodyChange undoes what may have been done to the body on the way. Where it was not done, it returns nil, or the body
// as it is.
type bodyChange struct {
	mistake Mistake
	says    string // of what the signature is
	change  func(body []byte) []byte
}

const passOn = "pass the body on as it was received"

// The first that fits is told, so what changes least comes first.
var bodyChanges = []bodyChange{
	{BodyEnds, "of the body without the line break at its end, which was added on the way: " + passOn, func(b []byte) []byte {
		return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	}},
	{BodyEnds, "of the body with a line break at its end, which was taken off on the way: " + passOn, func(b []byte) []byte {
		return appended(b, "\n")
	}},
	{BodyEnds, "of the body with a line break (CRLF) at its end, which was taken off on the way: " + passOn, func(b []byte) []byte {
		return appended(b, "\r\n")
	}},
	{BodyEnds, "of the body without the blanks around it, which were added on the way: " + passOn, bytes.TrimSpace},
	{BodyLineBreaks, "of the body with LF as line breaks, which were converted to CRLF on the way: " + passOn, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	}},
	{BodyLineBreaks, "of the body with CRLF as line breaks, which were converted to LF on the way: " + passOn, func(b []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}},
	{BodyByteOrderMark, "of the body without the byte order mark, which was added on the way: " + passOn, func(b []byte) []byte {
		return bytes.TrimPrefix(b, []byte(byteOrderMark))
	}},
	{BodyByteOrderMark, "of the body with a byte order mark, which was taken off on the way: " + passOn, func(b []byte) []byte {
		return append([]byte(byteOrderMark), b...)
	}},
	{BodyInBase64, "of what the body is the base64 of, as gateways hand it over: decode it before it gets here", fromBase64},
	{BodyWrapped, "of the member body of the event that was given as the body: give that member alone", fromEvent},
	{BodyWrapped, "of the member body, in base64, of the event that was given as the body: give that member alone, decoded", func(b []byte) []byte {
		return fromBase64(fromEvent(b))
	}},
	{BodyWrapped, "of the text of the JSON string that was given as the body: give the text", fromString},
	{BodyCompressed, "of the body before it was compressed: give it decompressed, as it was signed", fromGzip},
	{BodyCharset, "of the body in another encoding, and it was converted from Latin-1 to UTF-8 on the way: " + passOn, fromLatin1},
}

const byteOrderMark = "\ufeff"

// otherBodies tries what may have been the body before it was changed.
func (s *search) otherBodies() (Explanation, bool) {
	tried := tried{seed: maphash.MakeSeed()}
	tried.before(s.q.Body)
	for _, c := range bodyChanges {
		if !s.pay(len(s.q.Body)) {
			return Explanation{}, false
		}
		if s.overAnother(&tried, c.change(s.q.Body)) {
			return sayf(c.mistake, "the signature is that %s", c.says)
		}
	}
	return s.otherJSON(&tried)
}

// overAnother reports whether a live key makes the MAC over body, if that was not tried before. A body that would be refused
// as ambiguous explains nothing: what was signed may have been cut in another place.
func (s *search) overAnother(t *tried, body []byte) bool {
	if len(body) == 0 || len(s.q.Scheme.Forms) > 1 && beginsAsCovered(body) || t.before(body) {
		return false
	}
	_, ok := s.signed(body)
	return ok
}

// tried are the bodies that were tried. By digests: two that are alike by chance cost an explanation, nothing else.
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

func isBase64(c byte) bool { return isOpaque(c) || c == '+' || c == '/' }

// fromEvent returns the body out of what API gateways and load balancers hand to a function.
func fromEvent(b []byte) []byte {
	if b = bytes.TrimSpace(b); len(b) > maxJSON || !bytes.HasPrefix(b, []byte("{")) || !bytes.Contains(b, []byte(`"body"`)) {
		return nil
	}
	var event struct {
		Body *string `json:"body"`
	}
	if json.Unmarshal(b, &event) != nil || event.Body == nil {
		return nil
	}
	return []byte(*event.Body)
}

func fromString(b []byte) []byte {
	var text string
	if b = bytes.TrimSpace(b); len(b) > maxJSON || !bytes.HasPrefix(b, []byte(`"`)) || json.Unmarshal(b, &text) != nil {
		return nil
	}
	return []byte(text)
}

// fromGzip decompresses no more than a body may be long here: a few bytes can be made to be gigabytes.
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

// fromLatin1 undoes that each byte was taken for a character of its own.
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
