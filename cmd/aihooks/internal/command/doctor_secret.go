package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/webhook"
)

// A secretLook recognizes one mistake in a secret. The vendors document no form of their secrets, so a look that could match
// a right secret is only a warning.
type secretLook struct {
	looks      func(text string) bool
	result     result
	found, fix string // found follows "The secret in X"
}

// shortSecret is the length, in bytes, below which a secret may be guessed.
const shortSecret = 16

// secretLooks has no look for a blank secret, because the command line refuses it. The first one that matches counts.
var secretLooks = []secretLook{
	{
		func(text string) bool { return strings.TrimSpace(text) != text }, resultProblem,
		"has whitespace or a line break around it.", "Trim it.",
	},
	{
		isDecoded, resultProblem,
		"has control or invisible characters, or is not UTF-8.", "Give the text that the vendor shows, not its decoded bytes.",
	},
	{
		regexp.MustCompile("^[\"'`“”„«»‘’].*[\"'`“”„«»‘’]$").MatchString, resultProblem,
		"has quotes around it.", "Remove them.",
	},
	{
		regexp.MustCompile(`^((?i:bearer|basic|token) |(export )?[A-Z][A-Z0-9_]{2,63}=[^=])`).MatchString, resultProblem,
		"begins with a scheme such as Bearer, or with the name of a variable.", "Give only the value.",
	},
	{
		regexp.MustCompile(`(?i)^(change[-_ ]?me.*|(your|my)[-_ ].*|.*[-_ ]here|(x{3,}|\*+|•+|\.{3,}|<.*>|\$?\{.*\}|\$\w+|secret|password|placeholder|todo|\[redacted\]))$`).MatchString, resultProblem,
		"is a placeholder.", "Copy the secret from the vendor's settings.",
	},
	{
		regexp.MustCompile(`^(whsec_|[spr]k_|sk-|gh[a-z]_|github_pat_|xox[a-z]-|AKIA|eyJ)`).MatchString, resultWarning,
		"has the prefix of another vendor's secret, or of an API key.", "Compare it with the vendor's settings.",
	},
	{
		isEncodedText, resultWarning,
		"is a text in base64 or hex, like the values in the YAML of a Kubernetes Secret.", "Decode it once, unless the vendor shows it like this.",
	},
	{
		func(text string) bool { return len(text) < shortSecret }, resultWarning,
		"has fewer than 16 characters, so it may be guessed.", "Set a longer one, at the vendor and in the service.",
	},
}

func checkSecret(_ context.Context, d *doctor) finding {
	text := d.secret.Reveal()
	for _, l := range secretLooks {
		if l.looks(text) {
			return finding{Result: l.result, Found: "The secret in " + d.secretFrom + " " + l.found, Fix: l.fix}
		}
	}
	// A handler refuses some secrets as well.
	if _, err := d.vendor.NewHandler(text, &webhook.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return problem("A handler refuses the secret in "+d.secretFrom+": "+err.Error()+".", "Set another one, at the vendor and in the service.")
	}
	return fine("The secret in " + d.secretFrom + " has a usual form.")
}

func isDecoded(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) })
}

// isEncodedText reports whether a secret is a printable text in hex or base64. A random secret almost never is.
func isEncodedText(text string) bool {
	const enough = 12 // bytes
	isText := func(raw []byte, err error) bool {
		return err == nil && len(raw) >= enough && bytes.IndexFunc(raw, func(c rune) bool { return c > unicode.MaxASCII || !unicode.IsPrint(c) && c != '\n' }) < 0
	}
	return isText(hex.DecodeString(text)) || isText(base64.StdEncoding.DecodeString(text))
}
