// Package visible makes text from unauthenticated senders safe to print on a terminal.
package visible

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf16"
)

// JSON returns equivalent JSON without characters that a terminal interprets or hides. encoding/json escapes only characters below
// U+0020, but not C1 controls or characters that change the direction of text.
func JSON(text []byte) []byte {
	hidden := func(c rune) bool { return c != '\n' && c != ' ' && !unicode.IsPrint(c) }
	if bytes.IndexFunc(text, hidden) < 0 {
		return text
	}
	var out bytes.Buffer
	for _, c := range string(text) {
		switch first, second := utf16.EncodeRune(c); {
		case !hidden(c):
			out.WriteRune(c)
		case c > 0xFFFF:
			fmt.Fprintf(&out, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.Bytes()
}
