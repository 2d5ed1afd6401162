package emberqa_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const (
	token = "q3v9TzKx7LwY2mNp"
	hooks = "https://receiver.test/webhooks/emberqa/"
)

// A receiver is a handler with a callback for every type, and EmberQA on the other side.
type receiver struct {
	*emberqa.Handler
	t      testing.TB
	sender webhooktest.Sender

	// react, if set, is what the callbacks do.
	react func(ctx context.Context, event any) error

	mu     sync.Mutex
	events []any // that the callbacks were given
	log    bytes.Buffer
}

func newReceiver(t testing.TB, credentials ...emberqa.Credential) *receiver {
	t.Helper()
	if len(credentials) == 0 {
		credentials = []emberqa.Credential{emberqa.Token(token)}
	}
	r := &receiver{t: t, sender: webhooktest.Sender{Profile: emberqa.Profile(), URL: hooks + token}}
	logger := slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := emberqa.Config{Credentials: credentials}.NewHandler(&webhook.Options{Logger: logger})
	require.NoError(t, err)
	r.Handler = h
	onEvery(h, func(ctx context.Context, event any) error {
		r.mu.Lock()
		r.events = append(r.events, event)
		r.mu.Unlock()
		if r.react != nil {
			return r.react(ctx, event)
		}
		return nil
	})
	return r
}

// onEvery registers fn for every type, by the method that is named after its Go type.
func onEvery(h *emberqa.Handler, fn func(context.Context, any) error) {
	for _, e := range emberqa.Profile().Events {
		method := reflect.ValueOf(h).MethodByName("On" + reflect.TypeOf(e.New()).Elem().Name())
		method.Call([]reflect.Value{reflect.MakeFunc(method.Type().In(0), func(args []reflect.Value) []reflect.Value {
			err := fn(args[0].Interface().(context.Context), args[1].Interface())
			return []reflect.Value{reflect.ValueOf(&err).Elem()}
		})})
	}
}

// receive delivers body to the URL that the credential stands in.
func (r *receiver) receive(body string) webhook.Result {
	r.t.Helper()
	return r.receiveAt(r.sender.URL, nil, body)
}

func (r *receiver) receiveAt(address string, header http.Header, body string) webhook.Result {
	r.t.Helper()
	u, err := url.Parse(address)
	require.NoError(r.t, err)
	return r.Process(r.t.Context(), webhook.Request{URL: u, Header: header, Body: bytes.NewReader([]byte(body))})
}

// envelope returns the webhook.Event of a typed event.
func envelope(event any) *webhook.Event {
	return reflect.ValueOf(event).Elem().FieldByName("Event").Addr().Interface().(*webhook.Event)
}
