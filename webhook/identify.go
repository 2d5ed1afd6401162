package webhook

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// identify makes the delivery of an authentic request: its envelope, its time, and the profile's ID and keys.
func (h *Handler) identify(a *arrival, request *vendors.Authenticated) (*received, disposition) {
	envelope, err := h.envelope.Read(request.Body)
	if name := h.profile.TypeHeader; name != "" && len(request.Header[name]) == 1 {
		envelope.Type = names.Bounded(strings.Clone(request.Header[name][0]), names.Max)
	}
	request.Envelope = envelope
	sentAt := h.signedTime(request)
	d := &received{arrival: *a, Delivery: h.newDelivery(request, a.at, sentAt), envelope: envelope, sentAt: sentAt}
	d.unsigned = h.profile.TimeField != "" && !request.Match.Covers(h.profile.TimeField)
	if err != nil {
		d.ID = request.Content()
		return d, disposition{outcome: Rejected, reason: ReasonNoObject, err: fmt.Errorf("webhook: authentic, but the body is not valid: %w", err)}
	}
	d.setKeys(h.profile.DedupKeys(request))
	return d, disposition{}
}

// signedTime returns the time that is checked against the window.
func (h *Handler) signedTime(request *vendors.Authenticated) time.Time {
	name := h.profile.TimeField
	if name == "" {
		return request.Envelope.Time
	}
	values := request.Header[name]
	if h.profile.Scheme != nil {
		values = h.profile.Scheme.Values(request.Header, name)
	}
	if len(values) == 1 {
		if t, err := signature.ParseUnix(values[0]); err == nil {
			return t
		}
	}
	return time.Time{}
}

// newDelivery makes the Delivery of an authentic request. It keeps only the headers that the vendor documents.
func (h *Handler) newDelivery(a *vendors.Authenticated, received, sent time.Time) *Delivery {
	d := &Delivery{
		Vendor:     h.profile.Name,
		Endpoint:   h.config.Endpoint,
		Type:       a.Envelope.Type,
		EventID:    a.Envelope.ID,
		Time:       a.Envelope.Time,
		ReceivedAt: received.Round(0).UTC(),
		Tenant:     names.Bounded(strings.Clone(a.Match.Tenant), names.Max), // the server may use its memory again
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

// applyKey replaces the profile's ID and keys by Config.Key. A body that does not fit its type keeps them, because its error
// is reported after the claim. Only a panic of the user's code is reported here.
func (h *Handler) applyKey(d *received) disposition {
	if h.config.DedupKey == nil {
		return disposition{}
	}
	d.event = h.decode(d)
	err := d.event.err
	if d.event.value != nil {
		var key string
		if key, err = h.dedupKey(d.event.value); key != "" {
			d.setKeys(vendors.DedupKeys{ID: key, Keys: []string{"key/" + names.Typed(d.Type, key)}})
		}
	}
	if panicked, ok := err.(*PanicError); ok { //nolint:errorlint // made by us and never wrapped
		return disposition{outcome: Failed, reason: ReasonPanic, err: panicked}
	}
	return disposition{}
}

// dedupKey calls Config.Key.
func (h *Handler) dedupKey(e AnyEvent) (key string, err error) {
	defer caught(&err)
	return h.config.DedupKey(e), nil
}

func (d *Delivery) setKeys(dedup vendors.DedupKeys) {
	d.ID = names.Bounded(dedup.ID, names.Max)
	d.Keys = make([]string, len(dedup.Keys))
	for i, key := range dedup.Keys {
		d.Keys[i] = d.key(names.Bounded(key, names.MaxKey))
	}
}

// keyPrefix returns the prefix of all keys of the delivery.
func (d *Delivery) keyPrefix() string { return d.key("") }

// key returns a key of the delivery. It joins all parts at once, to allocate once.
func (d *Delivery) key(name string) string {
	if d.Tenant == "" {
		return d.Vendor + "/" + d.Endpoint + "/" + name
	}
	return d.Vendor + "/" + d.Endpoint + "/tenant/" + names.Segment(d.Tenant) + "/" + name
}

// contentTag returns a short hash of a body, never zero. It detects a duplicate whose body differs from that of the
// completed delivery. The same authenticated sender makes both, so the hash does not have to be cryptographic.
func contentTag(body []byte) uint16 { return max(1, uint16(crc32.ChecksumIEEE(body))) }
