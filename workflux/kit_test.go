package workflux_test

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const secret = "a-secret-for-tests"

var sender = webhooktest.Sender{
	Profile: workflux.Profile(),
	URL:     "https://example.com/webhooks/workflux",
	Key:     signature.NewKey("default", secret),
}

func newHandler(t testing.TB) *workflux.Handler {
	t.Helper()
	h, err := workflux.NewHandler(secret, &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return h
}

// send delivers body, signed and as it is.
func send(t testing.TB, h *workflux.Handler, body []byte) webhook.Result {
	t.Helper()
	r, err := sender.Request(body, time.Now(), "")
	require.NoError(t, err)
	return h.Process(t.Context(), webhook.Request{Header: r.Header, Body: r.Body})
}

// An event is what every typed event can do.
type event interface {
	Delivery() *webhook.Delivery
	Unknown() map[string]json.RawMessage
}

// registerAll registers a callback for every documented type, each by its own method, and returns what they are given.
func registerAll(t testing.TB, h *workflux.Handler) <-chan event {
	t.Helper()
	events := make(chan event, 1)
	for _, kind := range workflux.Profile().Events {
		goType := reflect.TypeOf(kind.New())
		method := reflect.ValueOf(h).MethodByName("On" + goType.Elem().Name())
		require.True(t, method.IsValid(), "no On method for %s", kind.Name())
		callback := method.Type().In(0)
		require.Equal(t, goType, callback.In(1), kind.Name())
		method.Call([]reflect.Value{reflect.MakeFunc(callback, func(args []reflect.Value) []reflect.Value {
			events <- args[1].Interface().(event)
			return []reflect.Value{reflect.Zero(callback.Out(0))}
		})})
	}
	return events
}

// receive sends body, dated now, to a handler that has every callback, and returns the event that one of them is given.
func receive(t testing.TB, body []byte) event {
	t.Helper()
	h := newHandler(t)
	events := registerAll(t, h)
	result := send(t, h, sender.Stamp(body, time.Now()))
	require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)
	return <-events
}

// sample returns the sample of a type, dated now.
func sample(t testing.TB, eventType string) []byte {
	t.Helper()
	for _, s := range workfluxtest.Samples() {
		if s.Type == eventType {
			return sender.Stamp(s.Body, time.Now())
		}
	}
	require.Fail(t, "no sample", eventType)
	return nil
}

// change returns body as edit leaves it.
func change(t testing.TB, body []byte, edit func(body, data map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	edit(m, m["data"].(map[string]any))
	changed, err := json.Marshal(m)
	require.NoError(t, err)
	return changed
}

// panicText returns what f panics with.
func panicText(t testing.TB, f func()) (text string) {
	t.Helper()
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}
