package webhook

import (
	"context"
	"fmt"
	"reflect"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// An EventType ties a type of event that a vendor documents to the Go type of its events, a struct that embeds [Event]. It is
// for the author of a vendor's package, as all of package [vendors].
type EventType[T any] struct{ name string }

// NewEventType returns the event type of that name. T must be a struct that embeds [Event]; otherwise NewEventType panics.
func NewEventType[T any](name string) EventType[T] {
	if _, ok := any(new(T)).(AnyEvent); !ok {
		panic(fmt.Sprintf("webhook: the event type %T must embed webhook.Event", *new(T)))
	}
	return EventType[T]{name}
}

// Name returns the type as the vendor writes it.
func (t EventType[T]) Name() string { return t.name }

// New returns a new *T.
func (t EventType[T]) New() any { return new(T) }

// On registers fn for all events of the type. It panics when fn is nil, when the type has a callback already, and
// after the handler's first delivery.
func (t EventType[T]) On(h *Handler, fn func(context.Context, *T) error) {
	if fn == nil {
		panic(fmt.Sprintf("webhook: the callback for %s events of type %q is nil", h.profile.Name, t.name))
	}
	h.register(t.name, func() {
		h.callbacks[t.name] = &callback{
			eventType: t,
			call:      func(ctx context.Context, event AnyEvent) error { return fn(ctx, any(event).(*T)) },
		}
	})
}

// A callback is what is registered for one type.
type callback struct {
	eventType vendors.EventType
	call      func(ctx context.Context, event AnyEvent) error
}

// decoded remembers how an event was decoded, for [Event.Unknown] and [Event.Undecoded].
type decoded struct {
	goType    reflect.Type
	names     *vendors.EnvelopeNames
	data      []byte
	nested    bool             // data is a member of the body, not all of it
	undecoded map[string]error // fields that did not fit, by their JSON pointers
}
