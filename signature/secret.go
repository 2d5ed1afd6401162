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

var errRedacted = errors.New("signature: the secret must not be " + redacted + ": that is the text shown instead of a secret")

// A Secret is a string that does not print itself. fmt, log/slog, encoding/json and all users of encoding.TextMarshaler
// print "[redacted]" instead. The zero Secret is blank, and must not be used in a key.
type Secret struct {
	// reveal is a closure, because fmt and test libraries read unexported strings by reflection, without calling a method.
	// They print only the address of a func.
	reveal func() string
}

// NewSecret returns a Secret of the bytes of s. It does not trim or decode s.
func NewSecret(s string) Secret { return Secret{reveal: func() string { return s }} }

// Reveal returns the secret. Do not log it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Blank reports whether the secret has only whitespace, NUL bytes and byte order marks. Usually, that is an unset
// variable or an empty file. NUL bytes count because HMAC pads its key with them, so a key of NULs equals the empty key.
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

// UnmarshalText sets the secret to text, so that a configuration struct can have a Secret field. It returns an error for
// "[redacted]": a configuration that was written and read again has lost its secrets, and that text is publicly known.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == redacted {
		return errRedacted
	}
	*s = NewSecret(string(text))
	return nil
}
