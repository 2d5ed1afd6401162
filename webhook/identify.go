package webhook

import (
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// contentTag returns a short hash of a body, never zero. It detects a duplicate whose body differs from that of the
// completed delivery. The same authenticated sender makes both, so the hash does not have to be cryptographic.
func contentTag(body []byte) uint16 { return max(1, uint16(crc32.ChecksumIEEE(body))) }

// newDelivery makes the Delivery of an authentic request. It keeps only the headers that the vendor documents.
func (h *Handler) newDelivery(a *vendors.Authenticated, received, sent time.Time) *Delivery {
	d := &Delivery{
		Vendor:     h.profile.Name,
		Endpoint:   h.config.Endpoint,
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

// setKeys sets the delivery's ID and keys. The error is a panic of the user's code.
func (p *processing) setKeys(a *vendors.Authenticated) (err error) {
	h, d := p.h, p.delivery
	dedup := h.profile.DedupKeys(a)
	d.ID = names.Bounded(dedup.ID, names.Max)
	if h.config.DedupKey != nil {
		p.decode()
		if panicked, ok := p.undecoded.(*PanicError); ok { //nolint:errorlint // made by us and never wrapped
			return panicked
		}
	}
	// A body that does not fit its type keeps the profile's keys. Its error is reported after the claim.
	if h.config.DedupKey != nil && p.event != nil {
		defer caught(&err)
		if key := h.config.DedupKey(p.event); key != "" {
			dedup = vendors.DedupKeys{ID: key, Keys: []string{"key/" + names.Typed(d.Type, key)}}
		}
	}
	d.ID = names.Bounded(dedup.ID, names.Max)
	d.Keys = make([]string, len(dedup.Keys))
	for i, key := range dedup.Keys {
		d.Keys[i] = p.keyPrefix() + names.Bounded(key, names.MaxKey)
	}
	return nil
}

// keyPrefix returns the prefix of all keys of the delivery.
func (p *processing) keyPrefix() string { return p.delivery.Vendor + "/" + p.delivery.Endpoint + "/" }
