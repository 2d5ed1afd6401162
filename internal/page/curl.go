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

// maxArgument is the maximum length of a body as an argument, in bytes. Linux allows 128 KiB for one argument.
const maxArgument = 64 << 10

// notCopied are headers that curl sets itself, or that would be wrong in its request.
var notCopied = []string{"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Transfer-Encoding"}

// Curl returns a command for a POSIX shell that sends the received request again, byte for byte. Signature and timestamp are those
// of the original, so receivers refuse it once it is older than the vendor's window. A body that is long, or that contains control
// characters or invalid UTF-8, is written as base64.
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
				header = name + ";" // curl's syntax for an empty header
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

// isControl reports whether a character could end a paste into a terminal, which would then run the rest as commands.
func isControl(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }

// quote quotes a text as one word for a POSIX shell. It replaces control characters, which Go's server refuses in methods, URLs
// and headers anyway.
func quote(s string) string {
	s = strings.Map(func(c rune) rune {
		if isControl(c) {
			return '?'
		}
		return c
	}, s)
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lines breaks base64 into lines of 76 characters, like base64(1).
func lines(s string) string {
	const width = 76
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + "\n")
		s = s[width:]
	}
	return b.String() + s + "\n"
}
