package webhook

import "strings"

// codings are the content codings that change the bytes of a body: IANA's HTTP Content Coding Registry without
// "identity".
var codings = map[string]bool{
	"aes128gcm": true, "br": true, "compress": true, "dcb": true, "dcz": true, "deflate": true, "exi": true,
	"gzip": true, "pack200-gzip": true, "x-compress": true, "x-gzip": true, "zstd": true,
}

// coding returns the first real coding that the header Content-Encoding names. Senders also put there what is no coding,
// such as UTF-8: the signature decides whether the body is what they signed.
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

// An encodedError is a body in a content coding.
type encodedError struct{ coding string }

func (e *encodedError) Error() string {
	return "webhook: the body has the Content-Encoding " + e.coding
}

func (e *encodedError) explanation() string {
	return "the header has the Content-Encoding " + e.coding + ", and a handler takes the body only as the vendor wrote it: " +
		"turn off what compresses requests, or decode the body and remove the header before the handler"
}
