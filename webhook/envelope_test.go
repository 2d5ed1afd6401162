package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// loose returns a receiver for a vendor without a window, with those envelope names.
func loose(names vendors.EnvelopeNames) func(*vendors.Profile, *vendors.HandlerConfig) {
	return func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window, p.Envelope = 0, names }
}

func TestTheFirstNameThatIsThereCounts(t *testing.T) {
	names := vendors.EnvelopeNames{
		Type: []string{"type", "event"}, ID: []string{"id", "uid"}, Time: []string{"at", "time"}, Data: []string{"data", "payload"},
	}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for b, want := range map[string]struct {
		eventType, id string
		at            time.Time
		n             int
	}{
		`{"event":"ping","uid":"u","time":1767323045,"payload":{"n":1}}`:                                             {"ping", "u", start, 1},
		`{"payload":{"n":1},"time":1767323045,"uid":"u","event":"ping"}`:                                             {"ping", "u", start, 1},
		`{"event":"pong","type":"ping","uid":"u","id":"i","payload":{"n":1},"data":{"n":2},"time":1767323045}`:       {"ping", "i", start, 2},
		`{"type":null,"event":"ping","id":null,"uid":"u","data":null,"payload":{"n":1},"at":null,"time":1767323045}`: {"ping", "u", start, 1},
		`{"TYPE":"ping","Uid":"u","TIME":1767323045,"Data":{"n":3}}`:                                                 {"ping", "u", start, 3},
		`{"type":"ping","n":4}`: {"ping", "", time.Time{}, 4},
		`{"type":"ping","id":12.50,"at":"2026-01-02T04:04:05+01:00","n":5}`: {"ping", "12.50", start, 5},
		`{"type":"ping","at":1767323045000,"n":6}`:                          {"ping", "", start, 6},
		`{"type":"ping","at":"1767323045","n":6}`:                           {"ping", "", start, 6},
	} {
		r := newReceiver(t, webhook.Options{}, loose(names))
		called := false
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			called = true
			require.Equal(t, want.eventType, e.Type, b)
			require.Equal(t, want.id, e.ID, b)
			require.True(t, want.at.Equal(e.Time), "%s: %v", b, e.Time)
			require.Equal(t, want.n, e.N, b)
			require.Equal(t, want.id, e.Delivery().EventID)
			return nil
		})
		require.Equal(t, http.StatusOK, r.deliver([]byte(b)).status)
		require.True(t, called, b)
	}
}

func TestAnEventIsSetFromTheEnvelopeAndNeverDecoded(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		require.Equal(t, "real", e.ID)
		require.Equal(t, "ping", e.Type)
		require.Equal(t, 7, e.N)
		return nil
	})
	b := `{"type":"ping","id":"real","data":{"n":7,"@event":{"id":"false","type":"false","time":"2001-01-01T00:00:00Z"},"id":"f","type":"f"}}`
	require.Equal(t, http.StatusOK, r.deliver([]byte(b)).status)
}

// firstWins decodes an object like decoders that use the first of several members with the same name.
func firstWins(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	first := make(map[string]json.RawMessage)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if _, ok := first[name.(string)]; !ok {
			first[name.(string)] = value
		}
	}
	b, err := json.Marshal(first)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func TestRoutingAndEventAgreeWhateverTheDecoderThinksOfDuplicates(t *testing.T) {
	for b, n := range map[string]int{
		`{"type":"pong","type":"ping","id":"b","id":"a","data":{"n":1},"data":{"n":2}}`: 2, // the handler reads the envelope
		`{"type":"pong","type":"ping","id":"a","data":{"n":1,"n":2}}`:                   1, // the decoder reads the data
		`{"type":"pong","type":"ping","id":"b","id":"a","n":1,"n":2}`:                   1,
	} {
		r := newReceiver(t, webhook.Options{Unmarshal: firstWins}, loose(acme().Envelope))
		called := false
		pong.On(r.Handler, func(context.Context, *Ping) error { panic("it was routed by the first type") })
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			called = true
			require.Equal(t, "ping", e.Type)
			require.Equal(t, "a", e.ID)
			require.Equal(t, n, e.N)
			return nil
		})
		require.Equal(t, http.StatusOK, r.deliver([]byte(b)).status)
		require.True(t, called)
	}
}

func TestUnmarshalIsGivenTheDataAndNothingElseAndOnce(t *testing.T) {
	for _, withKey := range []bool{false, true} {
		var given []string
		r := newReceiver(t, webhook.Options{Unmarshal: func(data []byte, v any) error {
			given = append(given, fmt.Sprintf("%s into %T", data, v))
			return json.Unmarshal(data, v)
		}}, loose(acme().Envelope), func(_ *vendors.Profile, e *vendors.HandlerConfig) {
			if withKey {
				e.DedupKey = func(any) string { return "k" }
			}
		})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"ping","id":"a","data": {"n": 7} }`)).status)
		require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"pong","id":"b","data":{}}`)).status, "the type has no callback")
		require.Equal(t, []string{`{"n": 7} into *webhook_test.Ping`}, given)
	}
}

func TestAnErrorOfUnmarshalMeansThatTheBodyDoesNotFit(t *testing.T) {
	odd := errors.New("a decoder of one's own")
	r := newReceiver(t, webhook.Options{Unmarshal: func([]byte, any) error { return odd }})
	ping.On(r.Handler, returns(nil))
	require.Equal(t, http.StatusInternalServerError, r.deliver(body("a")).status)
	require.Equal(t, webhook.ReasonUndecodable, r.observations()[0].Reason)
	require.ErrorIs(t, r.observations()[0].Err, odd)
}

// Touchy panics when it is decoded.
type Touchy struct {
	webhook.Event `json:"@event"`
	N             touchyNumber `json:"n"`
}

type touchyNumber int

func (*touchyNumber) UnmarshalJSON([]byte) error { panic("do not touch") }

func TestAPanicOnTheWayToTheCallbackIsAPanicOfTheCallback(t *testing.T) {
	touchy := webhook.NewEventType[Touchy]("ping")
	for name, c := range map[string]struct {
		o      webhook.Options
		change func(*vendors.Profile, *vendors.HandlerConfig)
		touchy bool
		key    string
	}{
		"Unmarshal":     {o: webhook.Options{Unmarshal: func([]byte, any) error { panic("do not touch") }}, key: "released"},
		"UnmarshalJSON": {touchy: true, key: "released"},
		"Key": {
			change: func(_ *vendors.Profile, e *vendors.HandlerConfig) {
				e.DedupKey = func(any) string { panic("do not touch") }
			},
			key: "none",
		},
		"UnmarshalJSON for Key": {
			change: func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.DedupKey = func(any) string { return "k" } },
			touchy: true, key: "none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.change == nil {
					c.change = func(*vendors.Profile, *vendors.HandlerConfig) {}
				}
				r := newReceiver(t, c.o, c.change)
				if c.touchy {
					touchy.On(r.Handler, func(context.Context, *Touchy) error { return nil })
				} else {
					ping.On(r.Handler, returns(nil))
				}
				got := r.deliver(body("a"))
				require.Equal(t, http.StatusInternalServerError, got.status)
				require.Equal(t, `{"received":false}`, got.body)
				o := r.observations()[0]
				require.Equal(t, webhook.ReasonPanic, o.Reason)
				require.Equal(t, "a", o.ID, "it can be found")
				var panicked *webhook.PanicError
				require.ErrorAs(t, o.Err, &panicked)
				require.Equal(t, "do not touch", panicked.Value)
				require.Contains(t, string(panicked.Stack), "envelope_test.go")
				require.Contains(t, r.log.String(), "envelope_test.go")
				require.Equal(t, c.key, r.keyState("a"))
				require.NoError(t, r.Shutdown(t.Context()), "no key and no slot must be left")
			})
		})
	}
}

func TestTheBodyOfAnEventIsWholeWhateverWasDecoded(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	b := []byte(" {\"type\":\"ping\",\r\n\"x\":[1 ,2],\"data\":{\"n\":7},\"\xff\":0}\n")
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		require.Equal(t, b, e.Delivery().Body)
		stored, err := json.Marshal(e.Delivery())
		require.NoError(t, err)
		var again webhook.Delivery
		require.NoError(t, json.Unmarshal(stored, &again))
		require.Equal(t, b, again.Body, "JSON must preserve every byte")
		return nil
	})
	request := r.signed(b)
	sent, err := io.ReadAll(request.Body)
	require.NoError(t, err)
	require.Equal(t, b, sent)
	require.Equal(t, http.StatusOK, r.deliver(b).status)
}
