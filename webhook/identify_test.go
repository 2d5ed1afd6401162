package webhook_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// process runs Process with a signed body.
func (r *receiver) process(b []byte, change ...func(http.Header)) webhook.Result {
	r.t.Helper()
	request := r.signed(b)
	for _, f := range change {
		f(request.Header)
	}
	return r.Process(r.t.Context(), webhook.Request{Header: request.Header, Body: bytes.NewReader(b)})
}

func TestKeys_UseIDOrElseContent(t *testing.T) {
	long := strings.Repeat("x", 129)
	for raw, want := range map[string]struct{ id, key string }{
		`"a"`:                 {"a", "id/ping/a"},
		`"evt_1/2#3:4"`:       {"evt_1/2#3:4", "id/ping/evt_1/2#3:4"},
		`7`:                   {"7", "id/ping/7"},
		`1.50e3`:              {"1.50e3", "id/ping/1.50e3"},
		`"` + long[1:] + `"`:  {long[1:], "id/ping/" + long[1:]},
		`"` + long + `"`:      {long, "id/ping/sha256:" + digest(long)},
		`"a b"`:               {"a b", "id/ping/sha256:" + digest("a b")},
		`"~"`:                 {"~", "id/ping/~"},
		`"\u0000"`:            {"\x00", "id/ping/sha256:" + digest("\x00")},
		`"\u007f"`:            {"\x7f", "id/ping/sha256:" + digest("\x7f")},
		`"é"`:                 {"é", "id/ping/sha256:" + digest("é")},
		`"e\u0301"`:           {"e\u0301", "id/ping/sha256:" + digest("e\u0301")},
		`"sha256:0"`:          {"sha256:0", "id/ping/sha256:" + digest("sha256:0")},
		`"\ud83d\ude00"`:      {"😀", "id/ping/sha256:" + digest("😀")},
		"\"\xff\"":            {},
		`"\ud800"`:            {},
		`"` + "\uFFFD" + `x"`: {},
		`""`:                  {},
		`null`:                {},
		`{"id":"a"}`:          {},
		`true`:                {},
	} {
		b := `{"type":"ping","id":` + raw + `,"data":{}}`
		if want.id == "" {
			want.id, want.key = digest(b), "content/"+digest(b)
		}
		r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
		ping.On(r.Handler, returns(nil))
		d := r.process([]byte(b)).Delivery
		require.Equal(t, want.id, d.ID, raw)
		require.Equal(t, []string{"acme/default/" + want.key}, d.Keys, raw)
	}
}

func TestKeys_SeparateIDsThatDecodeAlike(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	ping.On(r.Handler, returns(nil))
	for _, raw := range []string{"\"\xff\"", "\"\xfe\"", `"\ud800"`, `"\udfff"`, `"` + "\uFFFD" + `"`} {
		require.Equal(t, webhook.Handled, r.process([]byte(`{"type":"ping","id":`+raw+`}`)).Outcome, raw)
	}
}

func TestDuplicate_IsRecognizedByIDAlone(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	ping.On(r.Handler, returns(nil))
	require.Equal(t, webhook.Handled, r.process([]byte(`{"type":"ping","id":"a","n":1}`)).Outcome)
	require.Equal(t, webhook.Duplicate, r.process([]byte(`{"id":"a","type":"ping","n":2}`)).Outcome)
	require.Equal(t, webhook.Duplicate, r.process([]byte(`{"id":"\u0061","type":"ping"}`)).Outcome)
	require.Equal(t, webhook.Handled, r.process([]byte(`{"id":"A","type":"ping"}`)).Outcome)
}

func TestDedupKey_SetsKeyOfDelivery(t *testing.T) {
	var given []string
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope), func(_ *vendors.Profile, e *vendors.HandlerConfig) {
		e.DedupKey = func(event any) string {
			e := event.(*Ping)
			given = append(given, e.ID+" "+e.Type)
			require.NotNil(t, e.Delivery(), "DedupKey must be able to read the delivery")
			if e.N == 0 {
				return ""
			}
			return fmt.Sprintf("number %d", e.N)
		}
	})
	ping.On(r.Handler, returns(nil))
	keyed := r.process([]byte(`{"type":"ping","id":"a","n":7}`)).Delivery
	require.Equal(t, "number 7", keyed.ID)
	require.Equal(t, []string{"acme/default/key/ping/sha256:" + digest("number 7")}, keyed.Keys)
	require.Equal(t, webhook.Duplicate, r.process([]byte(`{"type":"ping","id":"b","n":7}`)).Outcome, "the id must not be part of the key")

	without := r.process([]byte(`{"type":"ping","id":"c","n":0}`)).Delivery
	require.Equal(t, []string{"acme/default/id/ping/c"}, without.Keys, "an empty key must keep the vendor's keys")
	misfit := r.process([]byte(`{"type":"ping","id":"d","n":"x"}`))
	require.Equal(t, webhook.ReasonUndecodable, misfit.Reason)
	require.Equal(t, []string{"acme/default/id/ping/d"}, misfit.Delivery.Keys)
	require.Equal(t, webhook.Unhandled, r.process([]byte(`{"type":"pong","id":"e","n":7}`)).Outcome)
	require.Equal(t, []string{"a ping", "b ping", "c ping"}, given, "it must not be called for a type without a callback")
}

func TestDedupKey_DecodesOnce(t *testing.T) {
	decoded := 0
	r := newReceiver(t, webhook.Options{Unmarshal: func(data []byte, v any) error { decoded++; return json.Unmarshal(data, v) }},
		func(_ *vendors.Profile, e *vendors.HandlerConfig) {
			e.DedupKey = func(event any) string { return event.(*Ping).ID }
		})
	ping.On(r.Handler, returns(nil))
	require.Equal(t, webhook.Handled, r.process(body("a")).Outcome)
	require.Equal(t, 1, decoded)
}

func TestKeys_NoObjectHasContentAsID(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	result := r.process([]byte(`[]`))
	require.Equal(t, webhook.ReasonNoObject, result.Reason)
	require.Equal(t, digest(`[]`), result.Delivery.ID)
	require.Equal(t, digest(`[]`), r.observations()[0].ID)
}

func TestDelivery_KeepsDocumentedHeadersOnly(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope), func(p *vendors.Profile, _ *vendors.HandlerConfig) {
		p.TimeField, p.Headers = "X-Acme-Time", []string{"X-Acme-Event", "X-Acme-Absent"}
	})
	var kept http.Header
	r.Before(func(_ context.Context, d *webhook.Delivery) error {
		kept = d.Header
		return nil
	})
	now := time.Now().Truncate(time.Second)
	result := r.process([]byte(`{"type":"ping","id":"a"}`), func(h http.Header) {
		h.Set("X-Acme-Event", "ping")
		h.Set("X-Acme-Time", fmt.Sprint(now.Unix()))
		h.Set("X-Other", "x")
	})
	require.Equal(t, http.Header{"X-Acme-Event": {"ping"}, "X-Acme-Time": {fmt.Sprint(now.Unix())}}, kept)
	require.True(t, now.Equal(result.Delivery.Time), "a body without a time gets the time of sending")
	require.Equal(t, "default", result.Delivery.SignedBy)
	require.Equal(t, "body", result.Delivery.Form)
	require.WithinDuration(t, time.Now(), result.Delivery.ReceivedAt, patience)
}

func TestTime_RejectsUnusableHeader(t *testing.T) {
	for name, values := range map[string][]string{"none": nil, "two": {"1767323045", "1767323045"}, "a sign": {"+1767323045"}, "words": {"now"}} {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.TimeField = "X-Acme-Time" })
		ping.On(r.Handler, returns(nil))
		result := r.process(body("a"), func(h http.Header) { h["X-Acme-Time"] = values })
		require.Equal(t, webhook.Rejected, result.Outcome, name)
		require.Equal(t, webhook.ReasonNoTime, result.Reason, name)
	}
}

func TestContent_HashesSignedBytes(t *testing.T) {
	a := vendors.Authenticated{Body: []byte("{}")}
	require.Equal(t, digest("{}"), a.Content(), "without a signature it must be the digest of the body")
	require.Equal(t, vendors.DedupKeys{ID: digest("{}"), Keys: []string{"content/" + digest("{}")}}, vendors.ByContent(&a))

	scheme := signature.Scheme{
		Header: "X-Acme-Signature",
		Forms:  []signature.Form{{Name: "timed", Signs: "{X-Acme-Time}.{body}"}},
		Fields: []signature.Field{{Header: "X-Acme-Time", Grammar: signature.UnixTime}},
	}
	r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
		p.Scheme, p.DedupKeys, p.TimeField, p.Envelope.Time = &scheme, vendors.ByContent, "X-Acme-Time", nil
	})
	ping.On(r.Handler, returns(nil))
	b := []byte(`{"type":"ping"}`)
	first := r.process(b).Delivery
	require.Equal(t, digest(first.Header.Get("X-Acme-Time")+"."+string(b)), first.ID, "the digest must include the signed time")
}

func TestKeys_SurviveChangesByCallback(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		e.Delivery().Keys[0] = "another"
		e.Delivery().ID = "another"
		return nil
	})
	require.Equal(t, webhook.Handled, r.process(body("a")).Outcome)
	require.Equal(t, "a", r.observations()[0].ID)
	require.Equal(t, "completed", r.keyState("a"), "the completed keys must be the claimed ones")
}

// A vendor's package may find no key in a delivery. Then nothing detects duplicates.
func TestKeys_WithoutAnyEachDeliveryRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
			p.DedupKeys = func(*vendors.Authenticated) vendors.DedupKeys { return vendors.DedupKeys{ID: "a"} }
		})
		runs := 0
		ping.On(r.Handler, func(context.Context, *Ping) error { runs++; return errCallback })
		for range 5 {
			require.Equal(t, webhook.Failed, r.process(body("a")).Outcome)
		}
		require.Equal(t, 5, runs)
	})
}
