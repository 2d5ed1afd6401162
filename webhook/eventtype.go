package webhook

import (
	"context"
	"fmt"
	"reflect"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// An EventType is an event type that a vendor documents, with the Go type T of its events. T is a struct that embeds
// [Event]. Like package [vendors], it is for the author of a vendor's package.
type EventType[T any] struct{ name string }

// NewEventType returns the event type of that name. It panics unless T is a struct that embeds [Event], or an [EventOf] of
// a struct.
func NewEventType[T any](name string) EventType[T] {
	event, ok := any(new(T)).(AnyEvent)
	if !ok {
		panic(fmt.Sprintf("webhook: the event type %T must embed webhook.Event", *new(T)))
	}
	if t := reflect.TypeOf(DataOf(event)).Elem(); t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("webhook: the data of an event must be a struct, not %v", t))
	}
	return EventType[T]{name}
}

// An EventOf is an event whose data has a separate type, for types that do not embed [Event].
type EventOf[T any] struct {
	Event
	Data T
}

func (e *EventOf[T]) data() any { return &e.Data }

// DataOf returns a pointer to what the data of an event is decoded into: the event, or the Data of an [EventOf]. It is for test
// kits.
func DataOf(e AnyEvent) any {
	if e, ok := e.(interface{ data() any }); ok {
		return e.data()
	}
	return e
}

// Name returns the type as the vendor writes it.
func (t EventType[T]) Name() string { return t.name }

// New returns a new *T.
func (t EventType[T]) New() any { return new(T) }

// On registers fn as the callback for events of the type. It panics if fn is nil, if the type has a callback already, or
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

// A callback is the registered callback of one type.
type callback struct {
	eventType vendors.EventType
	call      func(ctx context.Context, event AnyEvent) error
}

// decoded records how an event was decoded, for [Event.Unknown] and [Event.Undecoded].
type decoded struct {
	goType    reflect.Type
	names     *vendors.EnvelopeNames
	data      []byte
	nested    bool             // data is a member of the body, not all of it
	undecoded map[string]error // fields that did not fit, by their JSON pointers
}
