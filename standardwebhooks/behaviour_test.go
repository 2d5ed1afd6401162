package standardwebhooks_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	paid   = `{"type":"invoice.paid","timestamp":"2022-11-03T20:26:10.344522Z","data":{"number":"R-7","lines":[{"cents":250}]}}`
)

type invoice struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	Lines  []struct {
		Cents int `json:"cents"`
	} `json:"lines"`
}

func handlerFor(t *testing.T, c standardwebhooks.Config, fn func(context.Context, *standardwebhooks.Event[invoice]) error) *standardwebhooks.Handler {
	t.Helper()
	if len(c.Keys) == 0 {
		c.Keys = []signature.Key{signature.NewKey("default", secret)}
	}
	h, err := c.NewHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	standardwebhooks.On(h, "invoice.paid", fn)
	return h
}

func succeed(context.Context, *standardwebhooks.Event[invoice]) error { return nil }

func request(t *testing.T, key, body, id string, at time.Time) webhook.Request {
	t.Helper()
	v := webhooktest.Vendor{Profile: standardwebhooks.Profile()}
	signer := v.Signer("/webhooks", signature.NewKey("default", key))
	r, err := signer.Request([]byte(body), at, id)
	require.NoError(t, err)
	return webhook.Request{Header: r.Header, Body: r.Body}
}

func process(t *testing.T, h *standardwebhooks.Handler, r webhook.Request) webhook.Result {
	t.Helper()
	return h.Process(context.Background(), r)
}

func TestOn_DecodesUsersType(t *testing.T) {
	var got *standardwebhooks.Event[invoice]
	h := handlerFor(t, standardwebhooks.Config{}, func(_ context.Context, e *standardwebhooks.Event[invoice]) error { got = e; return nil })
	result := process(t, h, request(t, secret, paid, "msg_1", time.Now()))
	require.Equal(t, webhook.Handled, result.Outcome, result.Err)
	require.Equal(t, "invoice.paid", got.Type)
	require.Equal(t, time.Date(2022, 11, 3, 20, 26, 10, 344522000, time.UTC), got.Time)
	require.Equal(t, "R-7", got.Data.Number)
	require.Equal(t, 250, got.Data.Lines[0].Cents)
	require.Empty(t, got.Data.ID)
	require.Equal(t, "msg_1", got.Delivery().ID)
	require.Equal(t, []string{"standardwebhooks/default/id/msg_1"}, got.Delivery().Keys)
	require.Equal(t, "msg_1", got.Delivery().Header.Get("Webhook-Id"))
	require.Empty(t, got.Delivery().Header.Get("Webhook-Signature"))

	flat := `{"type":"invoice.paid","id":"in_1","number":"R-8","cents":"x"}`
	require.Equal(t, webhook.Handled, process(t, h, request(t, secret, flat, "msg_2", time.Now())).Outcome)
	require.Equal(t, "in_1", got.Data.ID)
	require.Equal(t, "R-8", got.Data.Number)
	require.Contains(t, got.Unknown(), "/cents")
}

func TestOn_KeepsFieldsThatFit(t *testing.T) {
	var got *standardwebhooks.Event[invoice]
	h := handlerFor(t, standardwebhooks.Config{}, func(_ context.Context, e *standardwebhooks.Event[invoice]) error { got = e; return nil })
	body := `{"type":"invoice.paid","data":{"number":"R-7","lines":"none"}}`
	require.Equal(t, webhook.Handled, process(t, h, request(t, secret, body, "msg_1", time.Now())).Outcome)
	require.Equal(t, "R-7", got.Data.Number)
	require.Contains(t, got.Undecoded(), "/data/lines")
}

func TestOn_PanicsUnlessDataIsStruct(t *testing.T) {
	h := handlerFor(t, standardwebhooks.Config{}, succeed)
	require.PanicsWithValue(t, "webhook: the data of an event must be a struct, not string", func() {
		standardwebhooks.On(h, "text", func(context.Context, *standardwebhooks.Event[string]) error { return nil })
	})
	require.Panics(t, func() { standardwebhooks.On(h, "invoice.paid", succeed) }, "a second callback for a type")
}

// A captured delivery must not run again, under any id, at any time.
func TestHandler_RefusesReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		h := handlerFor(t, standardwebhooks.Config{}, func(context.Context, *standardwebhooks.Event[invoice]) error { runs++; return nil })
		captured := request(t, secret, paid, "msg_1", time.Now())
		replay := func(change func(http.Header)) webhook.Result {
			r := captured
			r.Header = captured.Header.Clone()
			r.Body = request(t, secret, paid, "msg_1", time.Now()).Body
			change(r.Header)
			return process(t, h, r)
		}
		same := func(http.Header) {}
		require.Equal(t, webhook.Handled, replay(same).Outcome)
		require.Equal(t, webhook.Duplicate, replay(same).Outcome)
		require.Equal(t, webhook.Unauthenticated, replay(func(h http.Header) { h.Set("Webhook-Id", "msg_2") }).Outcome)
		require.Equal(t, webhook.Unauthenticated, replay(func(h http.Header) { h.Set("Webhook-Timestamp", "1795283259") }).Outcome)
		time.Sleep(5*time.Minute + time.Second)
		result := replay(same)
		require.Equal(t, webhook.ReasonStale, result.Reason, "although a callback is registered for its type")
		require.Equal(t, http.StatusUnauthorized, result.Status)
		require.Equal(t, webhook.Duplicate, process(t, h, request(t, secret, paid, "msg_1", time.Now())).Outcome, "the sender's retry has a new time")
		require.Equal(t, 1, runs)
	})
}

func TestHandler_RemembersKeysForWholeSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		h := handlerFor(t, standardwebhooks.Config{}, func(context.Context, *standardwebhooks.Event[invoice]) error {
			if fail {
				return errors.New("not today")
			}
			return nil
		})
		require.Equal(t, http.StatusInternalServerError, process(t, h, request(t, secret, paid, "msg_1", time.Now())).Status)
		fail = false
		require.Equal(t, webhook.Handled, process(t, h, request(t, secret, paid, "msg_1", time.Now())).Outcome)
		time.Sleep(75*time.Hour + 35*time.Minute)
		require.Equal(t, webhook.Duplicate, process(t, h, request(t, secret, paid, "msg_1", time.Now())).Outcome)
	})
}

func TestHandler_TakesBothAlgorithms(t *testing.T) {
	private := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, fine"))
	public := "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	signing := "whsk_" + base64.StdEncoding.EncodeToString(private.Seed())
	h := handlerFor(t, standardwebhooks.Config{Keys: []signature.Key{signature.NewKey("hmac", secret), signature.NewKey("ed25519", public)}}, succeed)
	byPrivate := process(t, h, request(t, signing, paid, "msg_1", time.Now()))
	require.Equal(t, webhook.Handled, byPrivate.Outcome, byPrivate.Err)
	require.Equal(t, "ed25519", byPrivate.Delivery.SignedBy)
	require.Equal(t, "hmac", process(t, h, request(t, secret, paid, "msg_2", time.Now())).Delivery.SignedBy)

	now := time.Now()
	both := request(t, secret, paid, "msg_3", now)
	other := request(t, "whsec_"+base64.StdEncoding.EncodeToString([]byte("the secret before it")), paid, "msg_3", now)
	both.Header.Set("Webhook-Signature", other.Header.Get("Webhook-Signature")+" "+both.Header.Get("Webhook-Signature"))
	require.Equal(t, webhook.Handled, process(t, h, both).Outcome, "a sender that rotates signs with both secrets")
}

func TestNewHandler_NamesBadSecret(t *testing.T) {
	for given, says := range map[string]string{
		"":                "is blank",
		"whsec_no base64": "must be in base64 after the prefix whsec_",
		"whpk_YQ==":       "must be an Ed25519 public key of 32 bytes",
	} {
		_, err := standardwebhooks.NewHandler(given, nil)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "standardwebhooks: Config.Keys")
	}
}

func TestConfig_HeaderPrefix(t *testing.T) {
	h := handlerFor(t, standardwebhooks.Config{HeaderPrefix: "Svix"}, succeed)
	r := request(t, secret, paid, "msg_1", time.Now())
	require.Equal(t, signature.Missing.Error(), string(process(t, h, r).Reason))
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		r.Header.Set("Svix-"+name, r.Header.Get("Webhook-"+name))
		r.Header.Del("Webhook-" + name)
	}
	r.Body = strings.NewReader(paid)
	result := process(t, h, r)
	require.Equal(t, webhook.Handled, result.Outcome, result.Err)
	require.Equal(t, "msg_1", result.Delivery.ID)
	for _, prefix := range []string{"svix", "Svix Id", "é"} {
		_, err := standardwebhooks.Config{HeaderPrefix: prefix, Keys: []signature.Key{signature.NewKey("a", secret)}}.NewHandler(nil)
		require.ErrorContains(t, err, "HeaderPrefix")
	}
}
