package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// manyNames has three names for each part of the envelope.
var manyNames = vendors.EnvelopeNames{
	Type: []string{"type", "event", "kind"}, ID: []string{"id", "uid", "key"}, Time: []string{"at", "time", "when"},
	Data: []string{"data", "payload", "body"},
}

// unusable has values that are not usable in an envelope.
var unusable = []string{`null`, `""`, `" "`, `"\t\n"`, `"\u00a0"`, `{}`, `{"a":1}`, `[]`, `["ping"]`, `true`, `false`}

func TestEnvelope_DocumentedTypeWins(t *testing.T) {
	for b, want := range map[string]string{
		`{"event":"ping","type":"chat"}`:               "ping",
		`{"type":"chat","event":"room","kind":"ping"}`: "ping",
		`{"type":"pong","event":"ping"}`:               "pong", // both are documented, so the first name counts
		`{"kind":"pong","event":"ping"}`:               "ping",
		`{"type":7,"event":"ping"}`:                    "ping",
		`{"type":"PING","event":"ping"}`:               "ping",
		`{"type":"mine","event":"chat"}`:               "mine", // a callback's type counts as documented
		`{"type":"chat","event":"mine"}`:               "mine",
		`{"type":"chat","event":"room"}`:               "chat",
		`{"type":" ","event":"room"}`:                  "room",
		`{"type":7,"event":"room"}`:                    "7",
	} {
		r := newReceiver(t, webhook.Options{}, loose(manyNames))
		got := ""
		called := func(_ context.Context, e *Ping) error { got = e.Type; return nil }
		ping.On(r.Handler, called)
		pong.On(r.Handler, called)
		webhook.NewEventType[Ping]("mine").On(r.Handler, called)
		r.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error { got = d.Type; return nil })
		require.Equal(t, http.StatusOK, r.deliver([]byte(b)).status)
		require.Equal(t, want, got, b)
	}
}

func TestEnvelope_UnusableValueHidesNothing(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, bad := range unusable {
		b := fmt.Sprintf(`{"type":%[1]s,"kind":"ping","id":%[1]s,"key":"k","at":%[1]s,"time":"yesterday","when":"2026-01-02T03:04:05Z"}`, bad)
		r := newReceiver(t, webhook.Options{}, loose(vendors.EnvelopeNames{Type: manyNames.Type, ID: manyNames.ID, Time: manyNames.Time}))
		called := false
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			called = true
			require.Equal(t, "k", e.ID, b)
			require.Equal(t, "k", e.Delivery().ID, b)
			require.Equal(t, start, e.Time, b)
			return nil
		})
		require.Equal(t, http.StatusOK, r.deliver([]byte(b)).status)
		require.True(t, called, b)
	}
	for _, bad := range []string{`null`, `""`, `"text"`, `7`, `true`, `[]`, `[{"n":1}]`} {
		r := newReceiver(t, webhook.Options{}, loose(manyNames))
		n := 0
		ping.On(r.Handler, func(_ context.Context, e *Ping) error { n = e.N; return nil })
		r.deliver([]byte(`{"type":"ping","data":` + bad + `,"body":{"n":7}}`))
		require.Equal(t, 7, n, bad)
	}
}

func TestEnvelope_BlankIDIsNoKey(t *testing.T) {
	for _, blank := range []string{`""`, `" "`, `"\u2003\t"`} {
		r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
		ping.On(r.Handler, returns(nil))
		for n := range 2 {
			result := r.process(fmt.Appendf(nil, `{"type":"ping","id":%s,"data":{"n":%d}}`, blank, n))
			require.Equal(t, webhook.Handled, result.Outcome, "two events, both with the id %s", blank)
			require.Empty(t, result.Delivery.EventID)
		}
	}
}

func TestEnvelope_EachSpellingHasOneKey(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(manyNames))
	ping.On(r.Handler, returns(nil))
	spellings := []string{`{"type":"ping","id":"a"}`, `{"type":"chat","event":"ping","id":"","uid":"a"}`, `{"kind":"ping","id":{},"key":"\u0061"}`}
	for i, b := range spellings {
		want := webhook.Duplicate
		if i == 0 {
			want = webhook.Handled
		}
		require.Equal(t, want, r.process([]byte(b)).Outcome, b)
	}
}

func TestProfile_ReadEnvelope(t *testing.T) {
	p := acme()
	p.Envelope = manyNames
	e, err := p.ReadEnvelope([]byte(`{"type":"chat","event":"ping","id":7,"at":1767323045,"data":{"n":1}}`))
	require.NoError(t, err)
	require.Equal(t, "ping", e.Type)
	require.Equal(t, "7", e.ID)
	require.Equal(t, int64(1767323045), e.Time.Unix())
	require.JSONEq(t, `{"n":1}`, string(e.Data))
	_, err = p.ReadEnvelope([]byte(`[]`))
	require.Error(t, err)
}
