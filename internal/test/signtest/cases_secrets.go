package signtest

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/aihooks/aihooks-go/signature/diagnose"
)

func secrets() []Case {
	const text = "a-secret-of-plain-text-7c1d"
	digits := hex.EncodeToString([]byte(OddSecret))
	std, url := base64.StdEncoding.EncodeToString([]byte(OddSecret)), base64.URLEncoding.EncodeToString([]byte(OddSecret))
	rawStd, rawURL := strings.TrimRight(std, "="), strings.TrimRight(url, "=")
	const fromBase64, fromHex = "must be decoded from base64", "must be decoded from hex"
	const notBase64, notHex = "was decoded from base64 and must not be", "was decoded from hex and must not be"
	return []Case{
		gives("a line break at the end", diagnose.SecretWhitespace, "trim it", text, text+"\n"),
		gives("a space before it", diagnose.SecretWhitespace, "trim it", text, " "+text),
		gives("a byte order mark before it", diagnose.SecretWhitespace, "trim it", text, "\ufeff"+text),
		gives("no line break where there must be one", diagnose.SecretWhitespace, "lacks the line break", text+"\n", text),
		gives("no CRLF where there must be one", diagnose.SecretWhitespace, "lacks the line break", text+"\r\n", text),
		gives("quotes", diagnose.SecretQuoted, "quotes around it", text, `"`+text+`"`),
		gives("single quotes", diagnose.SecretQuoted, "quotes around it", text, "'"+text+"'"),
		gives("typographic quotes", diagnose.SecretQuoted, "quotes around it", text, "“"+text+"”"),
		gives("German quotes", diagnose.SecretQuoted, "quotes around it", text, "„"+text+"“"),
		gives("a zero width space after it", diagnose.SecretWhitespace, "invisible characters", text, text+"\u200b"),
		gives("a word joiner in it", diagnose.SecretWhitespace, "invisible characters", text, text[:5]+"\u2060"+text[5:]),
		gives("direction marks around it", diagnose.SecretWhitespace, "invisible characters", text, "\u202a"+text+"\u202c\n"),
		gives("a soft hyphen in it", diagnose.SecretWhitespace, "invisible characters", text, text[:9]+"\u00ad"+text[9:]),
		gives("a line of an .env file", diagnose.SecretPrefix, "whole line of settings", text, `ACME_SECRET="`+text+`"`),
		gives("a line of a shell", diagnose.SecretPrefix, "whole line of settings", text, "export ACME_SECRET="+text),
		gives("a line of a shell, with quotes", diagnose.SecretPrefix, "whole line of settings", text, "export ACME_SECRET='"+text+"'; # theirs"),
		gives("a line of PowerShell", diagnose.SecretPrefix, "whole line of settings", text, `$env:ACME_SECRET = "`+text+`"`),
		gives("a line of YAML", diagnose.SecretPrefix, "whole line of settings", text, "acme.secret: "+text),
		gives("a line of JSON", diagnose.SecretPrefix, "whole line of settings", text, `"acme_secret": "`+text+`",`),
		gives("a semicolon after it", diagnose.SecretPrefix, "whole line of settings", text, text+";"),
		gives("quotes and a semicolon", diagnose.SecretPrefix, "whole line of settings", text, `"`+text+`";`),
		gives("a comment after it", diagnose.SecretPrefix, "whole line of settings", text, text+" # the new one"),
		gives("UTF-16 with a byte order mark", diagnose.SecretEncoded, "in UTF-16", text, "\xff\xfe"+utf16Of(text+"\r\n")),
		gives("UTF-16 without one", diagnose.SecretEncoded, "in UTF-16", text, utf16Of(text)),
		gives("UTF-16, the high byte first", diagnose.SecretEncoded, "in UTF-16", text, "\xfe\xff\x00"+strings.TrimSuffix(utf16Of(text), "\x00")),
		gives("whsec_ before it", diagnose.SecretPrefix, "remove it", text, "whsec_"+text),
		gives("sha256= before it", diagnose.SecretPrefix, "remove it", text, "sha256="+text),
		gives("the name of a variable before it", diagnose.SecretPrefix, "remove it", text, "ACME_WEBHOOK_SECRET="+text),
		gives("Bearer before it", diagnose.SecretPrefix, "remove it", text, "Bearer "+text),
		gives("no whsec_ where there must be one", diagnose.SecretPrefix, "lacks the prefix whsec_", "whsec_"+text, text),
		gives("base64 with whsec_ before it", diagnose.SecretEncoded, "without its prefix", OddSecret, "whsec_"+std),
		gives("base64", diagnose.SecretEncoded, fromBase64, OddSecret, std),
		gives("base64 without padding", diagnose.SecretEncoded, fromBase64, OddSecret, rawStd),
		gives("base64 of URLs", diagnose.SecretEncoded, fromBase64, OddSecret, url),
		gives("base64 of URLs without padding", diagnose.SecretEncoded, fromBase64, OddSecret, rawURL),
		gives("hex", diagnose.SecretEncoded, fromHex, OddSecret, digits),
		gives("hex in capitals", diagnose.SecretEncoded, fromHex, OddSecret, strings.ToUpper(digits)),
		gives("decoded from hex", diagnose.SecretDecoded, notHex, digits, OddSecret),
		gives("decoded from hex in capitals", diagnose.SecretDecoded, notHex, strings.ToUpper(digits), OddSecret),
		gives("decoded from base64", diagnose.SecretDecoded, notBase64, std, OddSecret),
		gives("decoded from base64 without padding", diagnose.SecretDecoded, notBase64, rawStd, OddSecret),
		gives("decoded from base64 of URLs", diagnose.SecretDecoded, notBase64, url, OddSecret),
		gives("decoded from base64 of URLs without padding", diagnose.SecretDecoded, notBase64, rawURL, OddSecret),
		gives("decoded from base64 with whsec_ before it", diagnose.SecretDecoded, "with its prefix whsec_", "whsec_"+std, OddSecret),
	}
}
