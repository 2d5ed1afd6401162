package diagnose

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/signature"
)

// A secretChange computes the intended secret from the given one. It returns the empty string if the change does not
// apply.
type secretChange struct {
	cause  Cause
	says   string // follows "the secret of key %q"
	change func(secret string) string
}

var (
	secretPrefix = regexp.MustCompile(`^(?:whsec_|[Bb]earer |[A-Za-z_][A-Za-z0-9_]{0,63}=)`)

	secretChanges = []secretChange{
		{SecretEncoded, "is in UTF-16: give it in UTF-8", func(s string) string { return strings.TrimSpace(fromUTF16(s)) }},
		{SecretWhitespace, "has whitespace around it that is not part of it: trim it", func(s string) string {
			return strings.Trim(s, " \t\r\n\v\f\x00\u00a0\ufeff")
		}},
		{SecretQuoted, "has quotes around it that are not part of it: remove them", func(s string) string {
			return strings.Trim(s, "\"'`“”„«»‘’‚‹›")
		}},
		{SecretWhitespace, "has invisible characters that are not part of it, such as a zero width space or a direction mark: remove them", func(s string) string {
			return strings.TrimSpace(strings.Map(func(c rune) rune {
				if unicode.Is(unicode.Cf, c) || unicode.IsControl(c) {
					return -1
				}
				return c
			}, s))
		}},
		{SecretPrefix, "begins with a prefix or a name that is not part of it: remove it", withoutPrefix},
		{SecretPrefix, "is a whole line of settings, with a name, quotes, a semicolon or a comment: give only the value", fromSettings},
		{SecretEncoded, "must be decoded from base64, without its prefix", func(s string) string {
			return string(decodeBase64(withoutPrefix(s)))
		}},
		{SecretEncoded, "must be decoded from base64", func(s string) string {
			return string(decodeBase64(s))
		}},
		{SecretEncoded, "must be decoded from hex", func(s string) string {
			raw, err := hex.DecodeString(s)
			if err != nil {
				return ""
			}
			return string(raw)
		}},
		{SecretWhitespace, "lacks the line break at its end, which is part of it for the sender", func(s string) string { return s + "\n" }},
		{SecretWhitespace, "lacks the line break at its end, which is part of it for the sender", func(s string) string { return s + "\r\n" }},
		{SecretPrefix, "lacks the prefix whsec_, which is part of it for the sender", func(s string) string { return "whsec_" + s }},
		{SecretDecoded, "was decoded from hex and must not be: give the text", func(s string) string { return hex.EncodeToString([]byte(s)) }},
		{SecretDecoded, "was decoded from hex and must not be: give the text", func(s string) string {
			return strings.ToUpper(hex.EncodeToString([]byte(s)))
		}},
		{SecretDecoded, wasBase64, base64Of(base64.StdEncoding)},
		{SecretDecoded, wasBase64, base64Of(base64.RawStdEncoding)},
		{SecretDecoded, wasBase64, base64Of(base64.URLEncoding)},
		{SecretDecoded, wasBase64, base64Of(base64.RawURLEncoding)},
		{SecretDecoded, "was decoded from base64 and must not be: give the text, with its prefix whsec_", func(s string) string {
			return "whsec_" + base64.StdEncoding.EncodeToString([]byte(s))
		}},
	}
)

const wasBase64 = "was decoded from base64 and must not be: give the text"

func base64Of(e *base64.Encoding) func(string) string {
	return func(s string) string { return e.EncodeToString([]byte(s)) }
}

// assignment matches the text before the value in a line of a shell script, an .env file, YAML, JSON or code.
var assignment = regexp.MustCompile(`^(?:(?:export|set|setx|const|let|var|declare -x)\s+|\$env:)?["']?[A-Za-z_][\w.-]{0,63}["']?\s*(?::=|=|:)\s*`)

// quotes are pairs of opening and closing quotes.
var quotes = []string{`""`, "''", "``", "“”", "„“", "‘’", "«»"}

// fromSettings returns the value in a line of settings.
func fromSettings(s string) string {
	s = strings.TrimSpace(s)
	s = s[len(assignment.FindString(s)):]
	for _, pair := range quotes {
		opening, size := utf8.DecodeRuneInString(pair)
		if inner, ok := strings.CutPrefix(s, string(opening)); ok {
			if value, _, ok := strings.Cut(inner, pair[size:]); ok {
				return value
			}
		}
	}
	for _, comment := range []string{" #", "\t#", " //", " --"} {
		s, _, _ = strings.Cut(s, comment)
	}
	return strings.TrimRight(s, " \t\r\n;,")
}

func withoutPrefix(s string) string {
	if at := secretPrefix.FindStringIndex(s); at != nil {
		return s[at[1]:]
	}
	return ""
}

// otherSecrets tries the secrets that may have been intended instead of the given ones.
func (d *diagnoser) otherSecrets() (Explanation, bool) {
	if e, ok := d.undecodedSecrets(); ok {
		return e, true
	}
	for _, c := range secretChanges {
		for _, k := range d.live {
			given := k.Secret.Reveal()
			changed := c.change(given)
			// HMAC pads its key with NULs, so anyone can sign with a blank key.
			if changed == given || signature.NewSecret(changed).Blank() {
				continue
			}
			if d.signedWith(&k.version, []byte(changed)) {
				return explainf(c.cause, "the secret of key %q %s", k.Name, c.says)
			}
			if k.version.KeyEncoding == "" {
				continue
			}
			if v, raw, err := d.in.Scheme.Decode(signature.NewSecret(changed)); err == nil && d.signedWith(&v, raw) {
				return explainf(c.cause, "the secret of key %q %s", k.Name, c.says)
			}
		}
	}
	return Explanation{}, false
}

// undecodedSecrets tries the secrets without decoding them.
func (d *diagnoser) undecodedSecrets() (Explanation, bool) {
	for _, k := range d.live {
		if k.version.KeyEncoding != "" && d.signedWith(&k.version, []byte(k.Secret.Reveal())) {
			return explainf(SecretDecoded, "the secret of key %q was decoded from %s, but the sender uses its text as it is", k.Name, k.version.KeyEncoding)
		}
	}
	return Explanation{}, false
}
