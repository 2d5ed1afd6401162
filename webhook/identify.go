package webhook

import (
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// contentTag returns a short hash of a body, never zero. It shows whether a duplicate has other bytes than the delivery
// that was completed: only its own sender makes both, so it need not resist anybody.
func contentTag(body []byte) uint16 { return max(1, uint16(crc32.ChecksumIEEE(body))) }

// newDelivery makes the delivery of an arrival. The headers are the few that the vendor's page names.
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

// name gives the delivery its ID and its keys. The error is a panic of the user's code.
func (p *processing) name(a *vendors.Authenticated) (err error) {
	h, d := p.h, p.delivery
	identity := h.profile.DedupKeys(a)
	d.ID = names.Bounded(identity.ID, names.Max)
	if h.config.DedupKey != nil {
		p.decode()
		if panicked, ok := p.undecoded.(*PanicError); ok { //nolint:errorlint // made by us and never wrapped
			return panicked
		}
	}
	// A body that does not fit its type keeps the profile's keys; what is wrong with it is said once it is claimed.
	if h.config.DedupKey != nil && p.event != nil {
		defer caught(&err)
		if key := h.config.DedupKey(p.event); key != "" {
			identity = vendors.DedupKeys{ID: key, Keys: []string{"key/" + names.Typed(d.Type, key)}}
		}
	}
	d.ID = names.Bounded(identity.ID, names.Max)
	d.Keys = make([]string, len(identity.Keys))
	for i, key := range identity.Keys {
		d.Keys[i] = p.keyPrefix() + names.Bounded(key, names.MaxKey)
	}
	return nil
}

// keyPrefix is what all keys of the delivery begin with.
func (p *processing) keyPrefix() string { return p.delivery.Vendor + "/" + p.delivery.Endpoint + "/" }
