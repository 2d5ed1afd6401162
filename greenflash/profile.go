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

// Profile returns everything that the handler knows about Greenflash, for test kits and tools. It follows Greenflash's
// webhook page. Comments mark where the page is silent.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "greenflash",
		Scheme: &signature.Scheme{
			Header:   headerSignature,
			Versions: []signature.Version{{Prefix: "sha256="}}, // silent: accepted with or without it
			Forms: []signature.Form{ // silent: accepts each of these
				{Name: string(FormTimestamp), Signs: "{" + headerTimestamp + "}.{body}"},
				{Name: string(FormDelivery), Signs: "{" + headerDelivery + "}.{" + headerTimestamp + "}.{body}"},
				{Name: string(FormBody)},
			},
			Fields: []signature.Field{
				{Header: headerTimestamp, Grammar: signature.UnixTime, Required: true},
				{Header: headerDelivery, Grammar: signature.Opaque},
			},
		},
		Envelope: vendors.EnvelopeNames{ // silent: the names that other vendors use
			Type: []string{"type", "event", "eventType"},
			ID:   []string{"id"},
			Time: []string{"timestamp", "createdAt"},
			Data: []string{"data"},
		},
		DedupKeys:     dedupKeys,
		TimeField:     headerTimestamp,
		Headers:       []string{headerDelivery},
		Window:        5 * time.Minute,
		RespondWithin: 5 * time.Second,
		Attempts:      1,               // silent: the first may be the last
		ShortestPause: 2 * time.Second, // silent: longer than a proxy waits before it sends a copy
		Events:        events,
	}
}

// dedupKeys returns a key for the signed bytes. If the form signs a timestamp, which a new attempt may change, dedupKeys
// adds a key for the delivery id.
//
// The delivery id may be unsigned, so its key comes second and includes the body. A captured delivery that has run can
// therefore not run again under another id, and cannot block a delivery with another body. The package documentation
// lists what remains possible. The id inside the body is not used, because it may be the conversation's.
func dedupKeys(a *vendors.Authenticated) vendors.DedupKeys {
	keys := vendors.ByContent(a)
	delivery := a.Header.Get(headerDelivery)
	if delivery == "" || !a.Match.Covers(headerTimestamp) {
		return keys
	}
	body := sha256.Sum256(a.Body)
	digest := sha256.Sum256(append([]byte(delivery+"."), body[:]...))
	name := hex.EncodeToString(digest[:])
	keys.Keys = append(keys.Keys, "id/"+name)
	keys.ID = name
	if a.Match.Covers(headerDelivery) {
		keys.ID = strings.Clone(delivery) // a copy, because the server may reuse the memory
	}
	return keys
}
