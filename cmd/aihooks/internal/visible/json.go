// Package visible makes text that came from strangers safe to be seen on a terminal.
package visible

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf16"
)

// JSON returns JSON that means the same and has no character that a terminal would obey or hide: encoding/json escapes those
// below U+0020, and neither C1 controls nor what changes the direction of writing.
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
