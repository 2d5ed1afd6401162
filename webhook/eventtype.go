package webhook

import (
	"context"
	"fmt"
	"reflect"
)

// An EventType is a type of event that a vendor documents. All are made by [NewKind].
type EventType interface {
	// Name is the type as the vendor writes it.
	Name() string

	// New returns a pointer to a new event of the Go type that belongs to it.
	New() AnyEvent
}

// A Kind ties a vendor's event type to the Go type of its events.
type Kind[T any] struct{ name string }

// NewKind returns the kind of that name. T must be a struct that embeds [Event]; otherwise NewKind panics.
func NewKind[T any](name string) Kind[T] {
	if _, ok := any(new(T)).(AnyEvent); !ok {
		panic(fmt.Sprintf("webhook: the event type %T must embed webhook.Event", *new(T)))
	}
	return Kind[T]{name}
}

// Name returns the type as the vendor writes it.
func (k Kind[T]) Name() string { return k.name }

// New returns a new *T.
func (k Kind[T]) New() AnyEvent { return any(new(T)).(AnyEvent) }

// On registers fn for all events of the kind. It panics when fn is nil, when the kind has a callback already, and
// after the handler's first delivery.
func (k Kind[T]) On(h *Handler, fn func(context.Context, *T) error) {
	if fn == nil {
		panic(fmt.Sprintf("webhook: the callback for %s events of type %q is nil", h.profile.Name, k.name))
	}
	h.register(k.name, func() {
		h.callbacks[k.name] = &callback{
			kind: k,
			call: func(ctx context.Context, event AnyEvent) error { return fn(ctx, any(event).(*T)) },
		}
	})
}

// A callback is what is registered for one type.
type callback struct {
	kind EventType
	call func(ctx context.Context, event AnyEvent) error
}

// decoded remembers how an event was decoded, for [Event.Unknown] and [Event.Undecoded].
type decoded struct {
	goType    reflect.Type
	names     *EnvelopeNames
	data      []byte
	nested    bool             // data is a member of the body, not all of it
	undecoded map[string]error // fields that did not fit, by their JSON pointers
}
