package signature

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
)

const redacted = "[redacted]"

var errRedacted = errors.New("signature: the secret is " + redacted + ", the text that is shown in place of one")

// A Secret is a string that does not print itself: fmt, log/slog, encoding/json and anything that goes by
// encoding.TextMarshaler show "[redacted]" in its place. The zero Secret is blank, and no key may be made of it.
type Secret struct {
	// A closure, because fmt and the dumpers of test libraries read unexported strings by reflection, without
	// asking any method; of a func they can print no more than an address.
	reveal func() string
}

// NewSecret keeps s out of sight. It does not trim or decode s: the bytes of s are the secret.
func NewSecret(s string) Secret { return Secret{reveal: func() string { return s }} }

// Reveal returns the secret itself. Do not log it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Blank reports whether the secret has nothing but white space, NUL bytes and byte order marks: an unset variable or an
// empty file, most often. NUL bytes count because HMAC pads its key with them: a key of NULs is the empty key.
func (s Secret) Blank() bool {
	return strings.TrimFunc(s.Reveal(), func(r rune) bool { return r == 0 || r == '\uFEFF' || unicode.IsSpace(r) }) == ""
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format prints "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes text as the secret, so that a Secret can stand in a struct that a configuration is read into. It
// returns an error for "[redacted]": a configuration that was written out and read again has lost its secrets, and
// everybody knows that one.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == redacted {
		return errRedacted
	}
	*s = NewSecret(string(text))
	return nil
}
