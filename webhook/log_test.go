package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// levels has the level of each outcome and reason. DEBUG is for deliveries that need no attention.
var levels = map[webhook.Outcome]string{
	webhook.Handled: "DEBUG", webhook.Stored: "DEBUG", webhook.Duplicate: "DEBUG", webhook.Ignored: "DEBUG", endpointCheck: "DEBUG",
	webhook.InFlight: "INFO", shuttingDown: "INFO",
	retryLater: "WARN", overrun: "WARN", webhook.Unhandled: "WARN", webhook.Unauthenticated: "WARN",
	"rejected/body_slow": "WARN", bodyCutOff: "WARN", bodyLength: "WARN", "rejected/too_large": "WARN",
	"rejected/content_encoding": "WARN", "rejected/method": "WARN",
	"unavailable/reading_limit": "WARN", "unavailable/evicted": "WARN", "unavailable/running_limit": "WARN", rateLimit: "WARN",
	webhook.Failed: "ERROR", webhook.DeadLettered: "ERROR", webhook.Dropped: "ERROR",
	overrunLast: "ERROR", "handled/store": "ERROR", "handled/lease_lost": "ERROR", "ignored/store": "ERROR", "ignored/lease_lost": "ERROR",
	noObject: "ERROR", noTime: "ERROR", inFuture: "ERROR", stale: "ERROR", webhook.Unavailable: "ERROR",
}

// levelOf returns the level of an outcome with a reason.
func levelOf(o webhook.Outcome, r webhook.Reason) string {
	if level, ok := levels[o+"/"+webhook.Outcome(r)]; ok {
		return level
	}
	return levels[o]
}

func TestLog_WritesEachOutcomeAtItsLevel(t *testing.T) {
	for _, row := range webhook.Contract() {
		t.Run(row.What, func(t *testing.T) {
			c := contractCases[row.What]
			c.bringAbout(t, true, func(r *receiver, _ *http.Request, _ httpResponse) {
				for i, line := range r.log.Lines() {
					var got struct {
						Level, Msg, Vendor, Endpoint, Outcome string
						Status                                int
					}
					require.NoError(t, json.Unmarshal([]byte(line), &got))
					o := r.observations()[i]
					require.Equal(t, levelOf(o.Outcome, o.Reason), got.Level)
					require.Equal(t, "webhook delivery "+string(o.Outcome), got.Msg)
					require.Equal(t, []any{"acme", "default", string(o.Outcome), o.Status}, []any{got.Vendor, got.Endpoint, got.Outcome, got.Status})
				}
			})
		})
	}
}

func TestLog_OmitsGoodDeliveriesAtInfo(t *testing.T) {
	var log logtest.LogBuffer
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}},
		&webhook.Options{Logger: log.JSON(slog.LevelInfo)})
	require.NoError(t, err)
	ping.On(h, func(_ context.Context, e *Ping) error {
		if e.ID == "c" {
			return webhook.Ignore("not ours")
		}
		return nil
	})
	r := newReceiver(t, webhook.Options{})
	for _, id := range []string{"a", "b", "b", "c"} {
		request := r.signed(body(id))
		require.Equal(t, 200, h.Process(t.Context(), webhook.Request{Header: request.Header, Body: request.Body}).Status)
	}
	require.Empty(t, log.String())
}

func TestLog_SamplesUnauthenticatedAndCountsOmittedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		const flood, senders = 10_000, 20
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for range flood / senders {
					r.Process(t.Context(), webhook.Request{Body: bytes.NewReader([]byte("{}"))})
					time.Sleep(50 * time.Millisecond) // 25 s in all
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute)
		r.Process(t.Context(), webhook.Request{Method: "PUT"}) // another outcome, so it has a separate count
		r.Process(t.Context(), webhook.Request{Body: bytes.NewReader([]byte("{}"))})

		require.Len(t, r.observations(), flood+2, "every request must be observed, logged or not")
		lines := r.log.Lines()
		require.LessOrEqual(t, len(lines), 10)
		written, leftOut := 0, 0
		for _, line := range lines {
			var got struct {
				Outcome string
				LeftOut int `json:"lines_left_out"`
			}
			require.NoError(t, json.Unmarshal([]byte(line), &got))
			if got.Outcome == "unauthenticated" {
				written++
				leftOut += got.LeftOut
			} else {
				require.Zero(t, got.LeftOut)
			}
		}
		require.Equal(t, flood+1, written+leftOut, "every line must be written or counted, once")
	})
}

func TestLog_CountsOneOmittedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		for range 6 { // five lines, and one that is left out
			r.Process(t.Context(), webhook.Request{Body: bytes.NewReader([]byte("{}"))})
		}
		time.Sleep(time.Minute)
		r.Process(t.Context(), webhook.Request{Body: bytes.NewReader([]byte("{}"))})
		lines := r.log.Lines()
		require.Len(t, lines, 6)
		require.Contains(t, lines[5], `"lines_left_out":1`)
		for _, line := range lines[:5] {
			require.NotContains(t, line, "lines_left_out")
		}
	})
}

func TestLog_UnhandledTypeWarnsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a busy machine a body may take longer than BodyTimeout
		r := newReceiver(t, webhook.Options{})
		deliver := func(eventType, id string) {
			b := bytes.Replace(body(id), []byte(`"ping"`), []byte(`"`+eventType+`"`), 1)
			require.Equal(t, 200, r.deliver(b).status)
		}
		for i := range 5 {
			deliver("ping", fmt.Sprint(i))
			deliver("strange", fmt.Sprint(i))
		}
		require.Equal(t, 2, r.log.Count(`"level":"WARN"`))
		require.Contains(t, r.log.String(), `"type":"strange"`)
		for i := range 1000 {
			deliver(fmt.Sprintf("strange.%d", i), "x")
		}
		require.Equal(t, 256, r.log.Count(`"level":"WARN"`), "the number of remembered types must be bounded")
		require.Len(t, r.log.Lines(), 1010)
		require.Equal(t, 1010-256, r.log.Count(`"level":"DEBUG"`))
	})
}

func TestLog_IdentifiesDelivery(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(fmt.Errorf("while greeting: %w", errCallback)))
	r.deliver(body("a"))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.log.String()), &got))
	delete(got, "time")
	require.IsType(t, 0.0, got["duration_ms"])
	delete(got, "duration_ms")
	require.Equal(t, map[string]any{
		"level": "ERROR", "msg": "webhook delivery failed", "vendor": "acme", "endpoint": "default", "outcome": "failed",
		"status": 500., "type": "ping", "id": "a", "attempt": 1., "signed_by": "default", "error": "while greeting: text of the callback's error",
	}, got)
}

func TestLog_DefaultsToDefaultLogger(t *testing.T) {
	var log logtest.LogBuffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(log.Text())
	h, err := newHandler(nil)
	require.NoError(t, err)
	h.Process(t.Context(), webhook.Request{})
	require.Equal(t, 1, log.Count("outcome=unauthenticated"))
}

func TestLog_HasDurationInMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, inTurn(1234567*time.Microsecond))
		r.process(body("a"))
		require.Equal(t, 1, r.log.Count(`"duration_ms":1234.567`))
	})
}

// A panickyLog panics at every line.
type panickyLog struct{ slog.Handler }

func (panickyLog) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyLog) Handle(context.Context, slog.Record) error { panic("the disk is full") }

func TestLog_SurvivesLoggerPanic(t *testing.T) {
	for name, observer := range map[string]func(context.Context, webhook.Observation){
		"alone":              nil,
		"the Observer's too": func(context.Context, webhook.Observation) { panic("observer panicked") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := newHandler(&webhook.Options{Logger: slog.New(panickyLog{slog.DiscardHandler}), Observer: observer})
				require.NoError(t, err)
				ping.On(h, func(ctx context.Context, e *Ping) error {
					_ = slow(ctx, e)
					return errCallback
				})
				r := newReceiver(t, webhook.Options{})
				request := r.signed(body("a"))
				require.Equal(t, 503, h.Process(t.Context(), webhook.Request{Header: request.Header, Body: request.Body}).Status)
				require.NoError(t, h.Shutdown(t.Context()), "the goroutine of the late callback must end")
			})
		})
	}
}

// An attrLog keeps the attributes of every line. Unlike the handlers of slog, it also keeps an empty one.
type attrLog struct {
	slog.Handler
	attrs *[]slog.Attr
}

func (attrLog) Enabled(context.Context, slog.Level) bool { return true }

func (l attrLog) Handle(_ context.Context, line slog.Record) error {
	line.Attrs(func(a slog.Attr) bool {
		*l.attrs = append(*l.attrs, a)
		return true
	})
	return nil
}

func TestLog_WritesNoEmptyAttribute(t *testing.T) {
	var attrs []slog.Attr
	h, err := newHandler(&webhook.Options{Logger: slog.New(attrLog{slog.DiscardHandler, &attrs})})
	require.NoError(t, err)
	h.Process(t.Context(), webhook.Request{})
	require.NotEmpty(t, attrs)
	for _, a := range attrs {
		require.False(t, a.Equal(slog.Attr{}))
	}
}

var (
	hexMAC    = regexp.MustCompile(`(?i)[0-9a-f]{64}`)
	base64MAC = regexp.MustCompile(`[A-Za-z0-9+/_-]{43}=?`)
)

// requireNoSecrets requires that the log and the responses have neither the secret nor anything like a MAC.
func requireNoSecrets(t *testing.T, said string, sent []byte) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(acmeSecret))
	mac.Write(sent)
	sum := mac.Sum(nil)
	content := sha256.Sum256(sent)
	for _, secret := range []string{
		acmeSecret, hex.EncodeToString([]byte(acmeSecret)), base64.RawStdEncoding.EncodeToString([]byte(acmeSecret)),
		hex.EncodeToString(sum), base64.RawStdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum),
		fmt.Sprint(sum), fmt.Sprint([]byte(acmeSecret)), fmt.Sprintf("%#v", sum), string(sum),
	} {
		require.NotContains(t, strings.ToLower(said), strings.ToLower(secret))
	}
	for _, found := range hexMAC.FindAllString(said, -1) {
		require.Equal(t, hex.EncodeToString(content[:]), found, "the only digest in the log must be the delivery's id")
	}
	for _, found := range base64MAC.FindAllString(said, -1) {
		raw, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(found))
		require.False(t, err == nil && bytes.Equal(raw, sum), "%s is the MAC", found)
	}
}

func TestHandler_NeverRevealsSecretOrMAC(t *testing.T) {
	cases := map[string]contractCase{
		"a wrong MAC": {callback: returns(nil), request: rawRequest(func(q *http.Request) {
			q.Header.Set("X-Acme-Signature", strings.Repeat("0", 64))
		})},
		"half a MAC": {callback: returns(nil), request: rawRequest(func(q *http.Request) {
			q.Header.Set("X-Acme-Signature", q.Header.Get("X-Acme-Signature")[:32])
		})},
		"the MAC twice": {callback: returns(nil), request: rawRequest(func(q *http.Request) {
			q.Header.Add("X-Acme-Signature", q.Header.Get("X-Acme-Signature"))
		})},
		"another's MAC": {callback: returns(nil), request: rawRequest(func(q *http.Request) {
			q.Header.Set("X-Acme-Signature", "sha256="+q.Header.Get("X-Acme-Signature"))
		})},
		"a panic": {callback: func(context.Context, *Ping) error { panic("in the middle") }},
	}
	maps.Copy(cases, contractCases)
	for what, c := range cases {
		for _, onSocket := range []bool{true, false} {
			t.Run(what, func(t *testing.T) {
				c.bringAbout(t, onSocket, func(r *receiver, sent *http.Request, got httpResponse) {
					said := r.log.String() + got.body
					for name, values := range got.header {
						said += name + strings.Join(values, "")
					}
					for _, o := range r.observations() {
						said += fmt.Sprintf("%v %+v %#v %v %#v", o, o, o, o.Err, o.Err)
					}
					var signed []byte
					if sent.GetBody != nil {
						b, err := sent.GetBody()
						require.NoError(t, err)
						var buf bytes.Buffer
						_, _ = buf.ReadFrom(b)
						signed = buf.Bytes()
					}
					requireNoSecrets(t, said, signed)
				})
			})
		}
	}
}

func TestHandler_DoesNotPrintItsKeys(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	requireNoSecrets(t, fmt.Sprintf("%v %+v %#v", r.Handler, r.Handler, r.Handler), nil)
}

func TestDelivery_OmitsSignatureAndCredentials(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	request := r.signed(body("a"))
	request.Header.Set("Authorization", "Bearer of news")
	request.Header.Set("Cookie", "crumbs")
	result := r.Process(t.Context(), webhook.Request{Header: request.Header, Body: request.Body})
	require.Equal(t, webhook.Handled, result.Outcome)
	require.Empty(t, result.Delivery.Header)
	stored, err := json.Marshal(result.Delivery)
	require.NoError(t, err)
	requireNoSecrets(t, string(stored), body("a"))
	requireNoSecrets(t, fmt.Sprintf("%#v", result), body("a"))
}

func TestLog_LimitsLongTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		long := strings.Repeat("x", 100_000)
		require.Equal(t, 200, r.deliver([]byte(`{"type":"`+long+`","id":"`+long+`"}`)).status)
		require.Less(t, len(r.log.String()), 2000)
	})
}
