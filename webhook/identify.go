package webhook

import (
	"encoding/hex"
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// An Arrival is an authentic delivery that has no name yet.
type Arrival struct {
	Header   http.Header
	Body     []byte
	Match    signature.Match
	Envelope Envelope
}

// Content returns the SHA-256 of the signed bytes in hex: of the body, where nothing is signed.
func (a *Arrival) Content() string {
	digest := a.Match.Digest(a.Header, a.Body)
	return hex.EncodeToString(digest[:])
}

// An Identity names a delivery.
type Identity struct {
	// ID is for people, and the same each time the delivery comes. It is kept: clone what comes out of a header, whose
	// memory the server may use again. If it is longer than 256 bytes, a digest takes its place.
	ID string

	// Keys are what duplicates are recognised by. The first is claimed first, and is the only one that an inbox
	// enqueues under: it must depend on nothing that others than the sender can change. Vendor and endpoint are put
	// before each. A digest takes the place of one that is longer than 512 bytes.
	Keys []string
}

// contentKey begins the keys that are digests of the signed bytes.
const contentKey = "content/"

// ByContent names a delivery by a digest of its signed bytes: for vendors that send no id.
func ByContent(a *Arrival) Identity {
	content := a.Content()
	return Identity{ID: content, Keys: []string{contentKey + content}}
}

// ByEventID names a delivery by its type and the id in its body, and by its content where that has no usable id: two
// events of different types may have one id.
func ByEventID(a *Arrival) Identity {
	id := a.Envelope.ID
	// What was not UTF-8 has become U+FFFD, and several such ids the same one.
	if id == "" || strings.ContainsRune(id+a.Envelope.Type, '\uFFFD') {
		return ByContent(a)
	}
	return Identity{ID: id, Keys: []string{"id/" + typedName(a.Envelope.Type, id)}}
}

// contentTag returns a short hash of a body, never zero. It shows whether a duplicate has other bytes than the delivery
// that was completed: only its own sender makes both, so it need not resist anybody.
func contentTag(body []byte) uint16 { return max(1, uint16(crc32.ChecksumIEEE(body))) }

// newDelivery makes the delivery of an arrival. The headers are the few that the vendor's page names.
func (h *Handler) newDelivery(a *Arrival, received, sent time.Time) *Delivery {
	d := &Delivery{
		Vendor:     h.profile.Name,
		Endpoint:   h.endpoint.Name,
		Type:       a.Envelope.Type,
		EventID:    a.Envelope.ID,
		Time:       a.Envelope.Time,
		ReceivedAt: received.Round(0).UTC(),
		SignedBy:   a.Match.Key,
		Form:       a.Match.Form(),
		Body:       a.Body,
	}
	if d.Time.IsZero() {
		d.Time = sent
	}
	for _, name := range h.keptHeaders {
		if values := a.Header[name]; len(values) > 0 {
			if d.Header == nil {
				d.Header = make(http.Header, len(h.keptHeaders))
			}
			d.Header[name] = []string{strings.Clone(values[0])} // the server may use the memory again
		}
	}
	return d
}

// name gives the delivery its ID and its keys. The error is a panic of the user's code.
func (p *passage) name(a *Arrival) (err error) {
	h, d := p.h, p.delivery
	identity := h.profile.Identify(a)
	d.ID = bounded(identity.ID, maxName)
	if h.endpoint.Key != nil {
		p.decode()
		if panicked, ok := p.undecoded.(*PanicError); ok { //nolint:errorlint // made by us and never wrapped
			return panicked
		}
	}
	// A body that does not fit its type keeps the profile's keys; what is wrong with it is said once it is claimed.
	if h.endpoint.Key != nil && p.event != nil {
		defer caught(&err)
		if key := h.endpoint.Key(p.event); key != "" {
			identity = Identity{ID: key, Keys: []string{"key/" + typedName(d.Type, key)}}
		}
	}
	d.ID = bounded(identity.ID, maxName)
	d.Keys = make([]string, len(identity.Keys))
	for i, key := range identity.Keys {
		d.Keys[i] = p.keyPrefix() + bounded(key, maxKey)
	}
	return nil
}

// keyPrefix is what all keys of the delivery begin with.
func (p *passage) keyPrefix() string { return p.delivery.Vendor + "/" + p.delivery.Endpoint + "/" }
