package jsonpeek

import (
	"encoding/binary"
	"math/bits"
)

// The skip functions return where the token ends. If it is invalid, they return where, and the problem.

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && doc[i] <= ' ' && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\r' || doc[i] == '\t') {
		i++
	}
	return i
}

// skipName skips a member's name and the colon. It returns where the name ends and where the value should begin.
func skipName(doc []byte, i int) (end, value int, err error) {
	if i == len(doc) || doc[i] != '"' {
		return 0, 0, syntaxError(doc, i, wantName)
	}
	end, problem := skipString(doc, i+1)
	if problem != "" {
		return 0, 0, syntaxError(doc, end, problem)
	}
	i = skipSpace(doc, end)
	if i == len(doc) || doc[i] != ':' {
		return 0, 0, syntaxError(doc, i, wantColon)
	}
	return end, skipSpace(doc, i+1), nil
}

const (
	each = 0x0101010101010101 // multiplied by a byte, it repeats the byte eight times
	high = 0x80 * each
)

// skipString begins after the opening quote. It checks eight bytes at a time for a quote, a backslash or a control
// character. A subtraction sets the high bit of each byte that matches. A borrow can also mark a later byte, so only the
// lowest mark is reliable.
func skipString(doc []byte, i int) (end int, problem string) {
	for i < len(doc) {
		if i+8 <= len(doc) {
			x := binary.LittleEndian.Uint64(doc[i:])
			marks := ((x - ' '*each) | ((x ^ '"'*each) - each) | ((x ^ '\\'*each) - each)) &^ x & high
			if marks == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marks) / 8
		}
		switch c := doc[i]; {
		case c == '"':
			return i + 1, ""
		case c == '\\':
			if i, problem = skipEscape(doc, i+1); problem != "" {
				return i, problem
			}
		case c < ' ':
			return i, inString
		default: // one of the last seven bytes of doc
			i++
		}
	}
	return i, inString
}

// skipEscape begins after the backslash.
func skipEscape(doc []byte, i int) (end int, problem string) {
	if i == len(doc) {
		return i, inEscape
	}
	switch doc[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, ""
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n == len(doc) || !isHex(doc[i+n]) {
				return i + n, inHex
			}
		}
		return i + 5, ""
	}
	return i, inEscape
}

func skipNumber(doc []byte, i int) (end int, problem string) {
	begin := i
	if doc[i] == '-' {
		i++
	}
	switch {
	case i < len(doc) && doc[i] == '0':
		i++
	case i < len(doc) && isDigit(doc[i]):
		i = skipDigits(doc, i)
	case i == begin: // neither a digit nor a sign
		return i, wantValue
	default:
		return i, wantDigit
	}
	if i < len(doc) && doc[i] == '.' {
		i++
		if i == len(doc) || !isDigit(doc[i]) {
			return i, wantDigit
		}
		i = skipDigits(doc, i)
	}
	if i < len(doc) && doc[i]|0x20 == 'e' {
		i++
		if i < len(doc) && (doc[i] == '+' || doc[i] == '-') {
			i++
		}
		if i == len(doc) || !isDigit(doc[i]) {
			return i, wantDigit
		}
		i = skipDigits(doc, i)
	}
	return i, ""
}

func skipDigits(doc []byte, i int) int {
	for i < len(doc) && isDigit(doc[i]) {
		i++
	}
	return i
}

func skipLiteral(doc []byte, i int, literal string) (end int, problem string) {
	for n := range len(literal) {
		if i+n == len(doc) || doc[i+n] != literal[n] {
			return i + n, inLiteral
		}
	}
	return i + len(literal), ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
