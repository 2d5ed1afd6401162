package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/aihooks/aihooks-go/internal/timestamp"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A decoding is the typed event of a delivery, or the error of decoding it. It is the zero decoding for a type without
// a callback.
type decoding struct {
	done      bool
	value     AnyEvent
	undecoded map[string]error // fields that did not fit
	err       error            // an undecodableError, or a PanicError
}

// decode makes the typed event of a delivery for its callback.
func (h *Handler) decode(d *received) (e decoding) {
	cb := h.callbacks[d.Type]
	if cb == nil {
		return decoding{}
	}
	defer caught(&e.err)
	e.done = true
	value, err := h.unmarshal(cb.eventType, d.Delivery, &d.envelope)
	if err != nil {
		e.err = &undecodableError{err}
		return e
	}
	e.value, e.undecoded = value, value.event().decoded.undecoded
	return e
}

// unmarshal makes the typed event of a delivery, with the envelope that selected the callback. It decodes the data a second
// time only if some of it does not fit.
func (h *Handler) unmarshal(t vendors.EventType, d *Delivery, e *vendors.Envelope) (AnyEvent, error) {
	v := t.New().(AnyEvent)
	into := DataOf(v)
	set := decoded{
		goType: reflect.TypeOf(into).Elem(),
		names:  &h.profile.Envelope,
		data:   e.Data,
		nested: len(e.Data) != len(d.Body),
	}
	if err := h.options.Unmarshal(e.Data, into); err != nil {
		// The user's Key may use any field, so every field must fit.
		r := refitter{unmarshal: h.options.Unmarshal, strict: h.options.StrictFields || h.config.DedupKey != nil}
		data := r.object(e.Data, set.goType, set.path(d.Body), 0)
		v = t.New().(AnyEvent)
		into = DataOf(v)
		if again := h.options.Unmarshal(data, into); again != nil {
			if r.strict {
				err, e = again, &vendors.Envelope{Data: data} // err may be about a number such as 8.0, which the refitter fixed
			}
			return nil, fmt.Errorf("webhook: the body does not fit the type of %q: %w", t.Name(), withoutValue(err, e.Data, into))
		}
		if !r.strict {
			set.undecoded = r.found
		}
	}
	if e.TimeErr != nil && !errors.Is(e.TimeErr, timestamp.ErrBlank) {
		if set.undecoded == nil {
			set.undecoded = make(map[string]error)
		}
		set.undecoded["/"+escape(e.TimeName)] = &fieldError{reason: e.TimeErr.Error(), err: e.TimeErr}
	}
	*v.event() = Event{ID: e.ID, Type: d.Type, Time: d.Time, delivery: d, decoded: set}
	return v, nil
}

// path returns the JSON pointer to the data in the body.
func (d *decoded) path(body []byte) string {
	if d.nested {
		for name, raw := range members(body) {
			if d.holdsData(name, raw) {
				return "/" + escape(name)
			}
		}
	}
	return ""
}

// Undecoded returns the fields that did not fit the event's type, by their JSON pointers (RFC 6901) in the body, with the
// reasons. It returns nil if every field fits. Such a field is unset, as if the vendor had not sent it. If an element of a
// list does not fit, the whole list is unset, because a list with a gap looks complete. In a map only the entry is unset.
// The errors quote no value: see Delivery().Body for the values. See also [Options.StrictFields].
func (e *Event) Undecoded() map[string]error { return maps.Clone(e.decoded.undecoded) }

// A fieldError is the reason why a field does not fit. Its text does not quote the value.
type fieldError struct {
	reason string
	err    error // the decoder's error, which may quote the value
}

func (e *fieldError) Error() string { return e.reason }
func (e *fieldError) Unwrap() error { return e.err }

// withoutValue returns an error for data that does not fit v, from the decoder's error err. Its text names the field and
// quotes no value: a value can be as long as the body, and it can be personal data.
func withoutValue(err error, data []byte, v any) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		short := *typed
		short.Value, _, _ = strings.Cut(typed.Value, " ") // "number 17"
		return &fieldError{reason: short.Error(), err: err}
	}
	r, fields := refitter{unmarshal: json.Unmarshal}, fieldsOf(reflect.TypeOf(v).Elem())
	for name, raw := range members(data) {
		t := fields.find(name)
		if t == nil || r.fits(raw, t) == nil {
			continue
		}
		_, misfit := r.value(raw, t, "", 0)
		if misfit == nil {
			misfit = misfits(raw, t)
		}
		return &fieldError{reason: fmt.Sprintf("the field %q: %s", clip(name, maxFieldName), misfit.reason), err: err}
	}
	if reason := err.Error(); strings.HasPrefix(reason, `json: unknown field "`) {
		return &fieldError{reason: clip(reason, maxFieldName), err: err}
	}
	return &fieldError{reason: fmt.Sprintf("the decoder returned an error of type %T", err), err: err}
}
