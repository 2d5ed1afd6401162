package mistakes

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
)

func secrets() []Mistake {
	const text = "a-secret-of-plain-text-7c1d"
	digits := hex.EncodeToString([]byte(Secret))
	std, url := base64.StdEncoding.EncodeToString([]byte(Secret)), base64.URLEncoding.EncodeToString([]byte(Secret))
	rawStd, rawURL := strings.TrimRight(std, "="), strings.TrimRight(url, "=")
	const fromBase64, fromHex = "give the bytes that it is the base64 of", "give the bytes that it is the hex of"
	const notBase64, notHex = "was decoded from base64 and must not be", "was decoded from hex and must not be"
	return []Mistake{
		gives("a line break at the end", signature.SecretBlanks, "trim it", text, text+"\n"),
		gives("a blank before it", signature.SecretBlanks, "trim it", text, " "+text),
		gives("a byte order mark before it", signature.SecretBlanks, "trim it", text, "\ufeff"+text),
		gives("no line break where there must be one", signature.SecretBlanks, "lacks the line break", text+"\n", text),
		gives("no CRLF where there must be one", signature.SecretBlanks, "lacks the line break", text+"\r\n", text),
		gives("quotes", signature.SecretQuoted, "quotes around it", text, `"`+text+`"`),
		gives("single quotes", signature.SecretQuoted, "quotes around it", text, "'"+text+"'"),
		gives("typographic quotes", signature.SecretQuoted, "quotes around it", text, "“"+text+"”"),
		gives("German quotes", signature.SecretQuoted, "quotes around it", text, "„"+text+"“"),
		gives("a zero width space after it", signature.SecretBlanks, "invisible characters", text, text+"\u200b"),
		gives("a word joiner in it", signature.SecretBlanks, "invisible characters", text, text[:5]+"\u2060"+text[5:]),
		gives("direction marks around it", signature.SecretBlanks, "invisible characters", text, "\u202a"+text+"\u202c\n"),
		gives("a soft hyphen in it", signature.SecretBlanks, "invisible characters", text, text[:9]+"\u00ad"+text[9:]),
		gives("a line of an .env file", signature.SecretPrefix, "whole line of settings", text, `ACME_SECRET="`+text+`"`),
		gives("a line of a shell", signature.SecretPrefix, "whole line of settings", text, "export ACME_SECRET="+text),
		gives("a line of a shell, with quotes", signature.SecretPrefix, "whole line of settings", text, "export ACME_SECRET='"+text+"'; # theirs"),
		gives("a line of PowerShell", signature.SecretPrefix, "whole line of settings", text, `$env:ACME_SECRET = "`+text+`"`),
		gives("a line of YAML", signature.SecretPrefix, "whole line of settings", text, "acme.secret: "+text),
		gives("a line of JSON", signature.SecretPrefix, "whole line of settings", text, `"acme_secret": "`+text+`",`),
		gives("a semicolon after it", signature.SecretPrefix, "whole line of settings", text, text+";"),
		gives("quotes and a semicolon", signature.SecretPrefix, "whole line of settings", text, `"`+text+`";`),
		gives("a comment after it", signature.SecretPrefix, "whole line of settings", text, text+" # the new one"),
		gives("UTF-16 with a byte order mark", signature.SecretEncoded, "in UTF-16", text, "\xff\xfe"+utf16Of(text+"\r\n")),
		gives("UTF-16 without one", signature.SecretEncoded, "in UTF-16", text, utf16Of(text)),
		gives("UTF-16, the high byte first", signature.SecretEncoded, "in UTF-16", text, "\xfe\xff\x00"+strings.TrimSuffix(utf16Of(text), "\x00")),
		gives("whsec_ before it", signature.SecretPrefix, "take it off", text, "whsec_"+text),
		gives("sha256= before it", signature.SecretPrefix, "take it off", text, "sha256="+text),
		gives("the name of a variable before it", signature.SecretPrefix, "take it off", text, "ACME_WEBHOOK_SECRET="+text),
		gives("Bearer before it", signature.SecretPrefix, "take it off", text, "Bearer "+text),
		gives("no whsec_ where there must be one", signature.SecretPrefix, "lacks the prefix whsec_", "whsec_"+text, text),
		gives("base64 with whsec_ before it", signature.SecretEncoded, "without its prefix", Secret, "whsec_"+std),
		gives("base64", signature.SecretEncoded, fromBase64, Secret, std),
		gives("base64 without padding", signature.SecretEncoded, fromBase64, Secret, rawStd),
		gives("base64 of URLs", signature.SecretEncoded, fromBase64, Secret, url),
		gives("base64 of URLs without padding", signature.SecretEncoded, fromBase64, Secret, rawURL),
		gives("hex", signature.SecretEncoded, fromHex, Secret, digits),
		gives("hex in capitals", signature.SecretEncoded, fromHex, Secret, strings.ToUpper(digits)),
		gives("decoded from hex", signature.SecretDecoded, notHex, digits, Secret),
		gives("decoded from hex in capitals", signature.SecretDecoded, notHex, strings.ToUpper(digits), Secret),
		gives("decoded from base64", signature.SecretDecoded, notBase64, std, Secret),
		gives("decoded from base64 without padding", signature.SecretDecoded, notBase64, rawStd, Secret),
		gives("decoded from base64 of URLs", signature.SecretDecoded, notBase64, url, Secret),
		gives("decoded from base64 of URLs without padding", signature.SecretDecoded, notBase64, rawURL, Secret),
		gives("decoded from base64 with whsec_ before it", signature.SecretDecoded, "with its prefix whsec_", "whsec_"+std, Secret),
	}
}
