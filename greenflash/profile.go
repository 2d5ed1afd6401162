package greenflash

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

const (
	headerSignature = "X-Greenflash-Signature"
	headerTimestamp = "X-Greenflash-Timestamp"
	headerDelivery  = "X-Greenflash-Delivery"
)

// Profile returns all that the handler knows of Greenflash: for test kits and tools. It follows Greenflash's webhook
// page; what the page is silent about is marked.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "greenflash",
		Scheme: &signature.Scheme{
			Header: headerSignature,
			Prefix: "sha256=", // silent: with or without
			Forms: []signature.Form{ // silent: which
				{Name: string(FormTimestamp), Covers: []string{headerTimestamp}},
				{Name: string(FormDelivery), Covers: []string{headerDelivery, headerTimestamp}},
				{Name: string(FormBody)},
			},
			Fields: []signature.Field{
				{Header: headerTimestamp, Grammar: signature.UnixTime, Required: true},
				{Header: headerDelivery, Grammar: signature.Opaque},
			},
		},
		Envelope: vendors.EnvelopeNames{ // silent: the names are those that its peers use
			Type: []string{"type", "event", "eventType"},
			ID:   []string{"id"},
			Time: []string{"timestamp", "createdAt"},
			Data: []string{"data"},
		},
		DedupKeys:     identify,
		TimeHeader:    headerTimestamp,
		Headers:       []string{headerDelivery},
		Window:        5 * time.Minute,
		RespondWithin: 5 * time.Second,
		Attempts:      1,               // silent: the first may be the last
		ShortestPause: 2 * time.Second, // silent: longer than a proxy waits before it sends a copy
		Events:        events,
	}
}

// identify names a delivery by its signed bytes and, where a new attempt may carry a new timestamp, by its delivery id
// as well. That id may be unsigned, so it only ever comes second, and together with the body: a captured delivery that has
// run cannot run again under another id, and cannot block one with another body. What remains possible is in the package's
// documentation. The id inside the body is not used: it may be the conversation's.
func identify(a *vendors.Authenticated) vendors.DedupKeys {
	identity := vendors.ByContent(a)
	delivery := a.Header.Get(headerDelivery)
	if delivery == "" || !a.Match.Covers(headerTimestamp) {
		return identity
	}
	body := sha256.Sum256(a.Body)
	digest := sha256.Sum256(append([]byte(delivery+"."), body[:]...))
	name := hex.EncodeToString(digest[:])
	identity.Keys = append(identity.Keys, "id/"+name)
	identity.ID = name
	if a.Match.Covers(headerDelivery) {
		identity.ID = strings.Clone(delivery) // the server may use the memory again
	}
	return identity
}
