package page

import (
	"bytes"
	"encoding/base64"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxArgument is how long a body may be as an argument: Linux takes 128 KB.
const maxArgument = 64 << 10

// notCopied are headers that curl sets by itself, or that would be wrong for it.
var notCopied = []string{"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Transfer-Encoding"}

// Curl returns a command for a POSIX shell that sends the request as it came, byte for byte: the signature and its timestamp
// as well, so that a vendor's window refuses it once it is old. A body that is long, or has
// more in it than text and line breaks, is put in as base64.
func Curl(d *Detail) string {
	var b strings.Builder
	inline := len(d.Body) <= maxArgument && utf8.Valid(d.Body) && !bytes.ContainsFunc(d.Body, isControl)
	if !inline {
		b.WriteString("printf %s '\n" + lines(base64.StdEncoding.EncodeToString(d.Body)) + "' | base64 -d | ")
	}
	b.WriteString("curl -i -g -X " + quote(d.Method) + " --url " + quote(d.URL))
	names := make([]string, 0, len(d.Header))
	for name := range d.Header {
		if !slices.Contains(notCopied, textproto.CanonicalMIMEHeaderKey(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range d.Header[name] {
			header := name + ": " + value
			if value == "" {
				header = name + ";" // how curl is told to send one that is empty
			}
			b.WriteString(" \\\n  -H " + quote(header))
		}
	}
	if inline {
		b.WriteString(" \\\n  --data-raw " + quote(string(d.Body)) + "\n")
	} else {
		b.WriteString(" \\\n  --data-binary @-\n")
	}
	return b.String()
}

// isControl reports whether a character could end the pasting into a terminal, and have the rest of it run.
func isControl(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }

// quote makes one word of a text, for a POSIX shell. No method, URL or header that Go's server lets through has a control
// character.
func quote(s string) string {
	s = strings.Map(func(c rune) rune {
		if isControl(c) {
			return '?'
		}
		return c
	}, s)
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lines breaks base64 as base64 itself does.
func lines(s string) string {
	const width = 76
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + "\n")
		s = s[width:]
	}
	return b.String() + s + "\n"
}
