package jsonpeek

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the kind of a JSON value.
type Kind uint8

const (
	KindNone Kind = iota // no value
	KindObject
	KindArray
	KindString
	KindNumber
	KindBool
	KindNull
)

func (k Kind) String() string {
	return [...]string{"none", "object", "array", "string", "number", "bool", "null"}[k]
}

// KindOf returns the kind of a value from Scan, by its first byte.
func KindOf(raw []byte) Kind {
	if len(raw) == 0 {
		return KindNone
	}
	switch c := raw[0]; {
	case c == '{':
		return KindObject
	case c == '[':
		return KindArray
	case c == '"':
		return KindString
	case c == '-' || isDigit(c):
		return KindNumber
	case c == 't' || c == 'f':
		return KindBool
	case c == 'n':
		return KindNull
	}
	return KindNone
}

// String decodes a JSON string as encoding/json does. Unpaired surrogates and invalid UTF-8 become U+FFFD. It returns false
// if raw is not exactly one string.
func String(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	end, problem := skipString(raw, 1)
	if problem != "" || end != len(raw) {
		return "", false
	}
	body := raw[1 : end-1]
	if isPlain(body) {
		return string(body), true
	}
	size := 0
	for rest := body; len(rest) > 0; {
		r, n := char(rest)
		size += utf8.RuneLen(r)
		rest = rest[n:]
	}
	var b strings.Builder
	b.Grow(size) // the exact size, so that the result uses no extra memory
	for rest := body; len(rest) > 0; {
		r, n := char(rest)
		b.WriteRune(r)
		rest = rest[n:]
	}
	return b.String(), true
}

// isPlain reports whether the inside of a string needs no decoding.
func isPlain(body []byte) bool {
	return bytes.IndexByte(body, '\\') < 0 && utf8.Valid(body)
}

// char decodes the first character of the inside of a valid string, and returns how many bytes it takes there.
func char(body []byte) (r rune, n int) {
	if body[0] != '\\' {
		return utf8.DecodeRune(body)
	}
	switch c := body[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r = hex4(body[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(body) >= 12 && body[6] == '\\' && body[7] == 'u' {
			if pair := utf16.DecodeRune(r, hex4(body[8:])); pair != unicode.ReplacementChar {
				return pair, 12
			}
		}
		return unicode.ReplacementChar, 6
	default:
		return rune(c), 2
	}
}

func hex4(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		if isDigit(c) {
			r = r<<4 | rune(c-'0')
		} else {
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
