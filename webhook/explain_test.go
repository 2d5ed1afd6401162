package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// request returns a request with a body that is signed, as it is given to Process.
func (r *receiver) request(body []byte) webhook.Request {
	r.t.Helper()
	signed := r.signed(body)
	return webhook.Request{Header: signed.Header, Body: bytes.NewReader(body)}
}

// lastLine returns what the last line that was logged explains.
func (r *receiver) lastLine() (cause, explanation string) {
	r.t.Helper()
	var line struct{ Cause, Explanation string }
	lines := r.log.Lines()
	require.NotEmpty(r.t, lines)
	require.NoError(r.t, json.Unmarshal([]byte(lines[len(lines)-1]), &line))
	return line.Cause, line.Explanation
}

func TestExplain_AppearsInLogNotResponse(t *testing.T) {
	for name, test := range map[string]struct {
		at      time.Duration // after now
		change  func(r *webhook.Request)
		cause   diagnose.Cause
		outcome webhook.Outcome
	}{
		"a changed body": {0, func(r *webhook.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = strings.NewReader(string(b) + "\n")
		}, diagnose.BodyEnds, webhook.Unauthenticated},
		"a forged body": {0, func(r *webhook.Request) { r.Body = strings.NewReader("{}") }, diagnose.Unexplained, webhook.Unauthenticated},
		"a header name in lower case": {0, func(r *webhook.Request) {
			r.Header = http.Header{"x-acme-signature": {"none"}}
		}, diagnose.HeaderMalformed, webhook.Unauthenticated},
		"stale":         {-2 * time.Hour, nil, diagnose.TimeStale, stale},
		"in the future": {2 * time.Hour, nil, diagnose.TimeAhead, inFuture},
		"a body that was read before": {0, func(r *webhook.Request) {
			r.ContentLength, r.Body = 20, http.NoBody
		}, diagnose.BodyEmpty, bodyLength},
		"a body that was closed before": {0, func(r *webhook.Request) {
			r.ContentLength, r.Body = 20, iotest.ErrReader(http.ErrBodyReadAfterClose)
		}, diagnose.BodyEmpty, bodyCutOff},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, func(context.Context, *Ping) error { return nil })
				make := func() webhook.Request {
					request := r.request(bodyAt("a", time.Now().Add(test.at)))
					if test.change != nil {
						test.change(&request)
					}
					return request
				}
				explained := r.Explain(make(), time.Time{})
				require.Equal(t, test.cause, explained.Cause, explained.Text)
				require.Empty(t, r.log.Lines(), "explaining logs nothing")
				require.Empty(t, r.observations())
				require.Equal(t, "none", r.keyState("a"))

				result := r.Process(t.Context(), make())
				require.Equal(t, test.outcome, as(test.outcome, result.Outcome, result.Reason))
				cause, text := r.lastLine()
				require.Equal(t, string(explained.Cause), cause)
				require.Equal(t, explained.Text, text)
				require.NotContains(t, text, acmeSecret)
				require.JSONEq(t, `{"received":false}`, string(result.Body))
				require.NotContains(t, result.Err.Error(), text, "a function may hand the result on")
				for _, values := range result.Header() {
					require.NotContains(t, strings.Join(values, " "), "sign")
				}
			})
		})
	}
}

func TestExplain_DetectsMiddlewareThatReadsBody(t *testing.T) {
	for name, spoil := range map[string]func(r *http.Request){
		"reads":  func(r *http.Request) { _, _ = io.ReadAll(r.Body) },
		"closes": func(r *http.Request) { _ = r.Body.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			sender := senderTo(t, acme(), http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				spoil(request)
				r.ServeHTTP(w, request)
			}))
			sender.Send(sender.Raw([]byte("{}"))).Want(http.StatusServiceUnavailable)
			cause, text := r.lastLine()
			require.Equal(t, string(diagnose.BodyEmpty), cause)
			require.Contains(t, text, "unread")
		})
	}
}

// An explainer refuses everything, and counts how often it is asked why.
type explainer struct{ asked atomic.Int64 }

func (*explainer) Authenticate(context.Context, *vendors.Request, []byte) (signature.Match, error) {
	return signature.Match{}, signature.Mismatch
}

func (e *explainer) Explain(_ *vendors.Request, body []byte) diagnose.Explanation {
	if string(body) != "{}" {
		panic("the body is another one by now")
	}
	return diagnose.Explanation{Cause: "counted", Text: strings.Repeat("x", int(e.asked.Add(1)))}
}

func TestExplain_RunsOnlyForWrittenLines(t *testing.T) {
	for name, test := range map[string]struct {
		level slog.Level
		want  int64
	}{
		"the level is off": {slog.LevelError, 0},
		"the level is on":  {slog.LevelWarn, 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logtest.LogBuffer
				e := new(explainer)
				h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: e}, &webhook.Options{
					Logger: log.JSON(test.level),
				})
				require.NoError(t, err)
				for range 1000 {
					h.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")})
				}
				time.Sleep(time.Minute)
				h.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")})
				require.Equal(t, test.want, e.asked.Load())
				require.Equal(t, int(test.want), strings.Count(log.String(), `"cause":"counted"`))
			})
		})
	}
}

func TestExplain_SurvivesAuthenticatorPanic(t *testing.T) {
	var log logtest.LogBuffer
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: new(explainer)}, &webhook.Options{Logger: log.JSON(slog.LevelInfo)})
	require.NoError(t, err)
	result := h.Process(t.Context(), webhook.Request{Body: strings.NewReader("[]")})
	require.Equal(t, webhook.Unauthenticated, result.Outcome)
	require.Equal(t, 1, log.Count(`"level":"WARN"`))
	require.NotContains(t, log.String(), "explanation")
	require.Equal(t, diagnose.Cause("signature_mismatch"), h.Explain(webhook.Request{Body: strings.NewReader("[]")}, time.Time{}).Cause)
}

func TestExplain_PredictsOutcomeWithoutCallingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived := time.Now()
		r := newReceiver(t, webhook.Options{MaxBody: 200}, func(_ *vendors.Profile, e *vendors.HandlerConfig) {
			e.DedupKey = func(any) string { panic("no code of the user's is run") }
		})
		ping.On(r.Handler, func(context.Context, *Ping) error { panic("no callback is called") })
		with := func(body string, change func(r *webhook.Request)) webhook.Request {
			request := r.request([]byte(body))
			if change != nil {
				change(&request)
			}
			return request
		}
		genuine := string(bodyAt("a", arrived))
		for name, test := range map[string]struct {
			request webhook.Request
			cause   diagnose.Cause
			says    string
		}{
			"genuine":            {with(genuine, nil), diagnose.None, "nothing is wrong with it: it is authentic"},
			"no callback":        {with(strings.Replace(genuine, "ping", "pong", 1), nil), diagnose.None, "no callback is registered"},
			"a method":           {with(genuine, func(r *webhook.Request) { r.Method = "GET" }), "method", "not POST"},
			"an encoding":        {with(genuine, func(r *webhook.Request) { r.Header.Set("Content-Encoding", "gzip") }), "content_encoding", "Content-Encoding"},
			"too large":          {with(`{"a":"`+strings.Repeat("a", 300)+`"}`, nil), "too_large", "more than Options.MaxBody ("},
			"declared too large": {with(genuine, func(r *webhook.Request) { r.ContentLength = 5000 }), "too_large", "the request declares 5000 bytes, and Options.MaxBody is "},
			"too large for another": {with(genuine, func(r *webhook.Request) {
				r.Body = http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(genuine)), 10)
			}), "too_large", "before the handler allows 10 bytes"},
			"not as long": {with(genuine, func(r *webhook.Request) { r.ContentLength = 150 }), "body_length", "not as long"},
			"no object":   {with("[1]", nil), "no_json_object", "not a JSON object"},
			"no time":     {with(`{"type":"ping","id":"b"}`, nil), "no_time", `["time"]`},
		} {
			e := r.Explain(test.request, arrived)
			require.Equal(t, test.cause, e.Cause, "%s: %s", name, e.Text)
			require.Contains(t, e.Text, test.says, name)
			require.NotContains(t, e.Text, acmeSecret)
		}
		time.Sleep(3 * time.Hour)
		require.Equal(t, diagnose.None, r.Explain(with(genuine, nil), arrived).Cause, "it is judged by when it arrived")
		require.Equal(t, diagnose.TimeStale, r.Explain(with(genuine, nil), time.Time{}).Cause)
		require.Empty(t, r.observations())
		webhook.NewEventType[Ping]("pong").On(r.Handler, func(context.Context, *Ping) error { return nil }) // does not panic: nothing was delivered
	})
}

func TestExplain_ReportsMissingTime(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	e := r.Explain(r.request([]byte(`{"type":"ping","id":"1"}`)), time.Now())
	require.Equal(t, diagnose.Cause(webhook.ReasonNoTime), e.Cause)
	require.Regexp(t, `^authentic, but no member \["time"\] has the time`, e.Text)
	require.Equal(t, diagnose.None, r.Explain(r.request([]byte(`{"type":"strange","id":"1"}`)), time.Now()).Cause, "it needs no time, because nothing runs")
}

func TestExplain_ReportsPreviousKey(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	request := r.request(body("a"))
	require.NoError(t, r.SetKeys(signature.NewKey("default", "another secret altogether")))
	require.Equal(t, webhook.Unauthenticated, r.Process(t.Context(), request).Outcome)
	cause, _ := r.lastLine()
	require.Equal(t, string(diagnose.KeyPrevious), cause)
}

// The lifetime is checked when the delivery arrives, also in an explanation of a captured delivery.
func TestKeyLifetime_IsCheckedAtArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		webhook.NewEventType[Ping]("ping").On(r.Handler, func(context.Context, *Ping) error { return nil })
		end := time.Now().Add(time.Minute)
		require.NoError(t, r.SetKeys(signature.Key{Name: "old", Secret: signature.NewSecret(acmeSecret), NotAfter: end}))
		require.Equal(t, webhook.Handled, r.Process(t.Context(), r.request(body("a"))).Outcome)
		time.Sleep(time.Minute)
		result := r.Process(t.Context(), r.request(body("b")))
		require.Equal(t, webhook.Unauthenticated, result.Outcome)
		require.Equal(t, webhook.Reason(signature.Mismatch), result.Reason)
		cause, explanation := r.lastLine()
		require.Equal(t, string(diagnose.KeyLifetime), cause)
		require.Contains(t, explanation, `the key "old", which is valid only until `)

		require.Equal(t, diagnose.None, r.Explain(r.request(body("b")), end.Add(-time.Second)).Cause)
		require.Equal(t, diagnose.KeyLifetime, r.Explain(r.request(body("b")), end).Cause)

		require.NoError(t, r.SetKeys(signature.Key{Name: "new", Secret: signature.NewSecret(acmeSecret), NotBefore: end.Add(time.Hour)}))
		time.Sleep(2 * time.Hour)
		require.Equal(t, diagnose.KeyLifetime, r.Explain(r.request(body("b")), end).Cause, "it was not yet valid at the arrival")
	})
}
