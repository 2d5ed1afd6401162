package allvendors_test

import (
	"context"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func forEachVendor(t *testing.T, f func(t *testing.T, v *vendortest.Kit)) {
	t.Helper()
	for _, v := range vendortest.All() {
		t.Run(v.Name(), func(t *testing.T) { f(t, v) })
	}
}

func forEachSample(t *testing.T, f func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample)) {
	t.Helper()
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, s := range v.Samples {
			t.Run(s.Name, func(t *testing.T) { f(t, v, s) })
		}
	})
}

// quiet returns options that log nothing.
func quiet() *webhook.Options { return &webhook.Options{Logger: slog.New(slog.DiscardHandler)} }

// goTypeOf returns the Go type of an event type.
func goTypeOf(v *vendortest.Kit, eventType string) reflect.Type {
	for _, kind := range v.Profile.Events {
		if kind.Name() == eventType {
			return reflect.TypeOf(kind.New()).Elem()
		}
	}
	return nil
}

// envelope returns the webhook.Event of a typed event.
func envelope(event webhook.AnyEvent) *webhook.Event {
	return reflect.ValueOf(event).Elem().FieldByName("Event").Addr().Interface().(*webhook.Event)
}

// onMethod returns the method that registers callbacks for events of a Go type.
func onMethod(t *testing.T, h webhook.VendorHandler, goType reflect.Type) reflect.Value {
	t.Helper()
	on := reflect.ValueOf(h).MethodByName("On" + goType.Name())
	require.True(t, on.IsValid(), "there is no method On%s", goType.Name())
	require.Equal(t, reflect.PointerTo(goType), on.Type().In(0).In(1), "the argument of On%s's callback", goType.Name())
	return on
}

// register calls an On method. Without fn, it gives it a nil callback.
func register(on reflect.Value, fn func(context.Context, webhook.AnyEvent) error) {
	callback := reflect.Zero(on.Type().In(0))
	if fn != nil {
		callback = reflect.MakeFunc(on.Type().In(0), func(args []reflect.Value) []reflect.Value {
			err := fn(args[0].Interface().(context.Context), args[1].Interface().(webhook.AnyEvent))
			return []reflect.Value{reflect.ValueOf(&err).Elem()}
		})
	}
	on.Call([]reflect.Value{callback})
}

func succeed(context.Context, webhook.AnyEvent) error { return nil }
