package jsonpeek

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	// ErrNotObject means that the document is valid JSON, but an array, a string, a number, a boolean or null.
	ErrNotObject = errors.New("the JSON document is not an object")

	// ErrTooDeep means that the document is nested deeper than encoding/json accepts.
	ErrTooDeep = errors.New("the JSON document is nested more than 10000 levels deep")
)

// SyntaxError reports where a document is invalid JSON, and why. It quotes at most one character of the document, so that
// it may be logged even if the document must not be.
type SyntaxError struct {
	Offset  int // of the first invalid byte, or the document's length if it ends too early
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Problem)
}

// The endings of messages that begin with "the document ends" or with the character found.
const (
	wantValue     = "where a value should begin"
	wantName      = "where the quoted name of a member should begin"
	wantColon     = "where a colon should follow the name of a member"
	wantObjectEnd = "where a comma or a closing brace should follow a member"
	wantArrayEnd  = "where a comma or a closing bracket should follow an element"
	wantDigit     = "where a number should have a digit"
	wantNothing   = "after the end of the value"
	inString      = "inside a string"
	inEscape      = "after the backslash of an escape in a string"
	inHex         = "where an escape in a string should have four hexadecimal digits"
	inLiteral     = "inside true, false or null"
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

// checkStart reports the two mistakes whose message does not depend on a character.
func checkStart(doc []byte, first int) error {
	if first == len(doc) {
		return &SyntaxError{Offset: first, Problem: "the document is empty"}
	}
	if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
		return &SyntaxError{Problem: "the document begins with a byte order mark, which JSON does not allow"}
	}
	return nil
}
