package webhook

import "strings"

// codings are the content codings that change the bytes of a body. Source: IANA's HTTP Content Coding Registry, without
// "identity".
var codings = map[string]bool{
	"aes128gcm": true, "br": true, "compress": true, "dcb": true, "dcz": true, "deflate": true, "exi": true,
	"gzip": true, "pack200-gzip": true, "x-compress": true, "x-gzip": true, "zstd": true,
}

// coding returns the first content coding in the Content-Encoding header. It ignores other values, because some senders put
// a charset such as UTF-8 there. The signature decides whether the body is what the sender signed.
func coding(values []string) string {
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			token, _, _ = strings.Cut(token, ";")
			if token = strings.ToLower(strings.TrimSpace(token)); codings[token] {
				return token
			}
		}
	}
	return ""
}

// An encodedError reports a body in a content coding.
type encodedError struct{ coding string }

func (e *encodedError) Error() string {
	return "webhook: the body has the Content-Encoding " + e.coding
}

func (e *encodedError) explanation() string {
	return "the request has the Content-Encoding " + e.coding + ", but the handler accepts only the body that the vendor wrote: " +
		"turn off what compresses requests, or decode the body and remove the header before the handler"
}
