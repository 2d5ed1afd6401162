package vendors

import (
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/signature"
)

// Authenticated is an authentic delivery whose keys are not yet known.
type Authenticated struct {
	Header   http.Header
	Body     []byte
	Match    signature.Match
	Envelope Envelope
}

// Content returns the SHA-256 of the signed bytes in hex. If the vendor does not sign, it is that of the body.
func (a *Authenticated) Content() string {
	digest := a.Match.Digest(a.Header, a.Body)
	return hex.EncodeToString(digest[:])
}

// DedupKeys identify a delivery and its duplicates.
type DedupKeys struct {
	// ID is for people. It must be the same on every attempt. Clone an ID from a header, because the server may reuse the
	// header's memory. An ID longer than 256 bytes is replaced by a digest.
	ID string

	// Keys identify duplicates. The handler claims the first key first, and an inbox uses only the first key. So the first
	// key must depend only on what the sender signs. The handler adds the vendor and the endpoint as a prefix. A key longer
	// than 512 bytes is replaced by a digest.
	Keys []string
}

// ContentPrefix is the prefix of keys that are digests of the signed bytes.
const ContentPrefix = "content/"

// ByContent returns a key from the digest of the signed bytes, for vendors that send no id.
func ByContent(a *Authenticated) DedupKeys {
	content := a.Content()
	return DedupKeys{ID: content, Keys: []string{ContentPrefix + content}}
}

// ByHeader returns a function for DedupKeys of a Profile, for vendors that sign the delivery's id in a header. Without it, or
// if the signature does not cover it, the function returns the key of [ByContent].
func ByHeader(name string) func(a *Authenticated) DedupKeys {
	return func(a *Authenticated) DedupKeys {
		id := a.Header.Get(name)
		if id == "" || !a.Match.Covers(name) {
			return ByContent(a)
		}
		return DedupKeys{ID: strings.Clone(id), Keys: []string{"id/" + id}}
	}
}

// ByEventID returns a key from the event's type and id in the body. The type is part of it, because two events of different
// types may have the same id. Without a usable id it returns the key of [ByContent].
func ByEventID(a *Authenticated) DedupKeys {
	id := a.Envelope.ID
	// Invalid UTF-8 has become U+FFFD, so different ids may look the same.
	if id == "" || strings.ContainsRune(id, '\uFFFD') || strings.ContainsRune(a.Envelope.Type, '\uFFFD') {
		return ByContent(a)
	}
	return DedupKeys{ID: id, Keys: []string{"id/" + names.Typed(a.Envelope.Type, id)}}
}
