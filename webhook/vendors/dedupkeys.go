package vendors

import (
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/signature"
)

// Authenticated is an authentic delivery that has no name yet.
type Authenticated struct {
	Header   http.Header
	Body     []byte
	Match    signature.Match
	Envelope Envelope
}

// Content returns the SHA-256 of the signed bytes in hex: of the body, where nothing is signed.
func (a *Authenticated) Content() string {
	digest := a.Match.Digest(a.Header, a.Body)
	return hex.EncodeToString(digest[:])
}

// DedupKeys name a delivery.
type DedupKeys struct {
	// ID is for people, and the same each time the delivery comes. It is kept: clone what comes out of a header, whose
	// memory the server may use again. If it is longer than 256 bytes, a digest takes its place.
	ID string

	// Keys are what duplicates are recognised by. The first is claimed first, and is the only one that an inbox
	// enqueues under: it must depend on nothing that others than the sender can change. Vendor and endpoint are put
	// before each. A digest takes the place of one that is longer than 512 bytes.
	Keys []string
}

// ContentPrefix begins the keys that are digests of the signed bytes.
const ContentPrefix = "content/"

// ByContent names a delivery by a digest of its signed bytes: for vendors that send no id.
func ByContent(a *Authenticated) DedupKeys {
	content := a.Content()
	return DedupKeys{ID: content, Keys: []string{ContentPrefix + content}}
}

// ByEventID names a delivery by its type and the id in its body, and by its content where that has no usable id: two
// events of different types may have one id.
func ByEventID(a *Authenticated) DedupKeys {
	id := a.Envelope.ID
	// What was not UTF-8 has become U+FFFD, and several such ids the same one.
	if id == "" || strings.ContainsRune(id+a.Envelope.Type, '\uFFFD') {
		return ByContent(a)
	}
	return DedupKeys{ID: id, Keys: []string{"id/" + names.Typed(a.Envelope.Type, id)}}
}
