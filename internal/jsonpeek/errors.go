package jsonpeek

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	// ErrNotObject: the document is valid JSON, but an array, a string, a number, a boolean or null.
	ErrNotObject = errors.New("the JSON document is not an object")

	// ErrTooDeep: the document nests deeper than encoding/json reads.
	ErrTooDeep = errors.New("the JSON document is nested more than 10000 levels deep")
)

// SyntaxError says where a document stops being JSON, and why. It quotes at most one character of it, so that it may be
// logged where the document may not.
type SyntaxError struct {
	Offset  int // of the first byte that does not fit; the document's length where it ends too soon
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Problem)
}

// What follows "the document ends", or the character found.
const (
	wantValue     = "where a value should begin"
	wantName      = "where the quoted name of a member should begin"
	wantColon     = "where a colon should follow the name of a member"
	wantObjectEnd = "where a comma or a closing brace should follow a member"
	wantArrayEnd  = "where a comma or a closing bracket should follow an element"
	wantDigit     = "where a digit should stand in a number"
	wantNothing   = "after the end of the value"
	inString      = "inside a string"
	inEscape      = "where an escape in a string says what it stands for"
	inHex         = "where an escape in a string should have four hexadecimal digits"
	inLiteral     = "where true, false or null should be spelt out"
)

func syntaxError(doc []byte, offset int, problem string) error {
	found := "the document ends"
	if offset < len(doc) {
		if c := doc[offset]; c > ' ' && c < 0x7f {
			found = "'" + string(rune(c)) + "'"
		} else {
			found = fmt.Sprintf("byte 0x%02x", c)
		}
	}
	return &SyntaxError{Offset: offset, Problem: found + " " + problem}
}

// checkStart gives the two mistakes of a sender that are not about any character a sentence of their own.
func checkStart(doc []byte, first int) error {
	if first == len(doc) {
		return &SyntaxError{Offset: first, Problem: "the document is empty"}
	}
	if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
		return &SyntaxError{Problem: "the document begins with a byte order mark, which JSON does not allow"}
	}
	return nil
}
