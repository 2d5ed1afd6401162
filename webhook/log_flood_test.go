package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A quietReceiver is a handler for Acme that logs at Info, as in production.
type quietReceiver struct {
	*webhook.Handler
	log      logtest.LogBuffer
	observed int
}

func newQuietReceiver(t *testing.T, o webhook.Options, callback func(context.Context, *Ping) error) *quietReceiver {
	t.Helper()
	r := new(quietReceiver)
	o.Logger = r.log.JSON(slog.LevelInfo)
	if o.Observer == nil {
		o.Observer = func(context.Context, webhook.Observation) { r.observed++ }
	}
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}}, &o)
	require.NoError(t, err)
	ping.On(h, callback)
	r.Handler = h
	return r
}

// replay sends a captured delivery.
func (r *quietReceiver) replay(t *testing.T, b []byte) webhook.Result {
	t.Helper()
	sender := senderTo(t, acme(), r)
	request := sender.Request(sender.Raw(b))
	return r.Process(t.Context(), webhook.Request{Header: request.Header, Body: bytes.NewReader(b)})
}

func leftOut(t *testing.T, lines []string) (sum int) {
	t.Helper()
	for _, line := range lines {
		var got struct {
			LeftOut int `json:"lines_left_out"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &got))
		sum += got.LeftOut
	}
	return sum
}

func TestLog_ReplaysOfOneCaptureAreSampled(t *testing.T) {
	const replays = 500
	down := &brokenStore{claimErr: errCallback}
	otherContent := inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) { return true, webhook.ErrOtherContent })
	fail := returns(errCallback)
	for name, c := range map[string]struct {
		options  webhook.Options
		callback func(context.Context, *Ping) error
		capture  func() []byte
		outcome  webhook.Outcome
	}{
		"stale":         {callback: fail, capture: func() []byte { return bodyAt("a", time.Now().Add(-48*time.Hour)) }, outcome: stale},
		"future":        {callback: fail, capture: func() []byte { return bodyAt("a", time.Now().Add(time.Hour)) }, outcome: inFuture},
		"no object":     {callback: fail, capture: func() []byte { return []byte(`[]`) }, outcome: noObject},
		"no time":       {callback: fail, capture: func() []byte { return []byte(`{"type":"ping"}`) }, outcome: noTime},
		"failing":       {callback: fail, outcome: webhook.Failed},
		"retry later":   {callback: returns(webhook.RetryAfter(time.Second, errCallback)), outcome: retryLater},
		"panicking":     {callback: func(context.Context, *Ping) error { panic("no") }, outcome: panicked},
		"undecodable":   {callback: fail, capture: func() []byte { return bytes.Replace(body("a"), []byte(`{"n":7}`), []byte(`[7]`), 1) }, outcome: misfits},
		"store down":    {options: webhook.Options{Store: down}, callback: fail, outcome: webhook.Unavailable},
		"failing open":  {options: webhook.Options{Store: down, DangerouslyFailOpen: true}, callback: returns(nil), outcome: webhook.Handled},
		"dropped, open": {options: webhook.Options{Store: down, DangerouslyFailOpen: true}, callback: returns(webhook.Permanent(errCallback)), outcome: webhook.Dropped},
		"rate limit":    {options: webhook.Options{RateLimit: 1e-9, RateBurst: 1}, callback: returns(nil), outcome: rateLimit},
		"other content": {options: webhook.Options{Inbox: otherContent, Store: down}, callback: fail, outcome: webhook.Stored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newQuietReceiver(t, c.options, c.callback)
				capture := body("a")
				if c.capture != nil {
					capture = c.capture()
				}
				if name == "rate limit" {
					r.replay(t, body("first"))
					r.replay(t, body("first"))
				}
				seen, before := r.observed, len(r.log.Lines())
				for range replays {
					result := r.replay(t, capture)
					require.Equal(t, c.outcome, as(c.outcome, result.Outcome, result.Reason))
				}
				require.Equal(t, replays, r.observed-seen, "every request must be observed, logged or not")
				lines := r.log.Lines()[before:]
				require.NotEmpty(t, lines)
				require.LessOrEqual(t, len(lines), 6)

				time.Sleep(time.Minute)
				r.replay(t, capture)
				r.replay(t, capture)
				lines = r.log.Lines()[before:]
				require.Equal(t, replays+2, len(lines)+leftOut(t, lines), "every line must be written or counted, once")
			})
		})
	}
}

func TestLog_ReplaysWhileTheFirstRunsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, inTurn(10*time.Second))
		b := body("a")
		for range 100 {
			go r.process(b)
		}
		time.Sleep(time.Minute)
		require.Len(t, r.observations(), 101, "the first run is observed twice")
		require.Less(t, r.log.Count(`"outcome":"in_flight"`, `"level":"INFO"`), 10)
	})
}

// A replay must not suppress the lines of the vendor's deliveries.
func TestLog_ReplaysSilenceNoOtherDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{}, returns(errCallback))
		capture := body("captured")
		for i := range 100 {
			for range 20 {
				r.replay(t, capture)
			}
			r.replay(t, body(fmt.Sprint("genuine", i)))
		}
		for i := range 100 {
			require.Equal(t, 1, r.log.Count(fmt.Sprintf(`"id":"genuine%d"`, i)))
		}
		require.LessOrEqual(t, r.log.Count(`"id":"captured"`), 6)
	})
}

// A replay may use many captured deliveries.
func TestLog_ReplaysOfManyCapturesAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{}, returns(nil))
		old := time.Now().Add(-48 * time.Hour)
		const captures = 1500
		for range 3 {
			for i := range captures {
				require.Equal(t, webhook.ReasonStale, r.replay(t, bodyAt(fmt.Sprint(i), old)).Reason)
			}
		}
		require.Len(t, r.log.Lines(), 1024+5)
	})
}

func TestLog_SamplesOneLineEvery10s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{}, returns(nil))
		forge := func() int {
			for range 100 {
				require.Equal(t, 401, r.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")}).Status)
			}
			return len(r.log.Lines())
		}
		require.Equal(t, 5, forge())
		for n := range 3 {
			time.Sleep(10*time.Second - 1)
			require.Equal(t, 5+n, forge())
			time.Sleep(1)
			require.Equal(t, 6+n, forge())
		}
	})
}

// A sender can choose among the reasons of an unauthenticated request, so they have one sample. Other reasons have one each.
func TestLog_SamplesByReasonUnlessUnauthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{}, returns(nil))
		for _, c := range []struct {
			request webhook.Request
			reason  webhook.Reason
			lines   int
		}{
			{webhook.Request{}, webhook.Reason(signature.Missing), 5},
			{webhook.Request{Header: http.Header{"X-Acme-Signature": {"none"}}}, webhook.Reason(signature.Malformed), 5},
			{webhook.Request{Header: http.Header{"X-Acme-Signature": {strings.Repeat("0", 64)}}}, webhook.Reason(signature.Mismatch), 5},
			{webhook.Request{Method: http.MethodPut}, webhook.ReasonMethod, 10},
			{webhook.Request{Header: http.Header{"Content-Encoding": {"gzip"}}}, webhook.ReasonContentEncoding, 15},
		} {
			for range 10 {
				require.Equal(t, c.reason, r.Process(t.Context(), c.request).Reason)
			}
			require.Len(t, r.log.Lines(), c.lines, c.reason)
		}
	})
}

// Every dropped delivery must have a line. A sender cannot repeat it, because it is completed.
func TestLog_EveryLostDeliveryHasALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{}, returns(webhook.Permanent(errCallback)))
		for i := range 1500 {
			require.Equal(t, webhook.Dropped, r.replay(t, body(fmt.Sprint(i))).Outcome)
			require.Equal(t, webhook.Duplicate, r.replay(t, body(fmt.Sprint(i))).Outcome)
		}
		require.Len(t, r.log.Lines(), 1500)
	})
}

func TestLog_PanicsOfTheObserverAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newQuietReceiver(t, webhook.Options{
			Observer: func(context.Context, webhook.Observation) { panic(strings.Repeat("x", 1<<20)) },
		}, returns(nil))
		for range 500 {
			require.Equal(t, 401, r.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")}).Status)
		}
		lines := r.log.Lines("Options.Observer panicked")
		require.Len(t, lines, 5)
		require.Zero(t, r.log.Count("Options.Observer panicked", "lines_left_out"))
		require.Less(t, len(r.log.String()), 5*(2<<10+32<<10)+10_000)
		time.Sleep(10 * time.Second)
		r.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")})
		lines = r.log.Lines("Options.Observer panicked")
		require.Len(t, lines, 6)
		require.Equal(t, 495, leftOut(t, lines))
	})
}

// personal is a value that must not be logged, in the middle of a long text.
var personal = strings.Repeat("x", 300_000) + "jane.doe@example.com" + strings.Repeat("x", 300_000)

// Person has an UnmarshalJSON whose errors quote the value.
type Person struct {
	webhook.Event `json:"@event"`
	When          time.Time `json:"when"`
	Own           hexNumber `json:"own"`
	N             int       `json:"n"`
}

func TestDecode_ErrorsQuoteNoValue(t *testing.T) {
	person := webhook.NewEventType[Person]("person")
	refuse := func(data []byte, _ any) error { return fmt.Errorf("cannot decode %s", data) }
	for name, c := range map[string]struct {
		data    string
		options webhook.Options
		names   string // text that the error must have
	}{
		"a time":            {`{"when":"` + personal + `"}`, webhook.Options{StrictFields: true}, `the field "when": it is not a date`},
		"a field":           {`{"own":"` + personal + `"}`, webhook.Options{StrictFields: true}, `the field "own"`},
		"digits":            {`{"n":` + strings.Repeat("4", 600_000) + `}`, webhook.Options{StrictFields: true}, "cannot unmarshal number into Go struct field Person.n of type int"},
		"no object":         {`"` + personal + `"`, webhook.Options{}, "cannot unmarshal string"},
		"no object, digits": {strings.Repeat("4", 600_000), webhook.Options{}, "cannot unmarshal number"},
		"another decoder":   {`{"x":"` + personal + `"}`, webhook.Options{Unmarshal: refuse}, "the decoder returned an error"},
		"a long field name": {`{"` + personal + `":1}`, webhook.Options{Unmarshal: useNumbers}, "json: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, c.options, loose(acme().Envelope))
				person.On(r.Handler, func(context.Context, *Person) error { return nil })
				r.deliver([]byte(`{"type":"person","id":"a","data":` + c.data + `}`))
				o := r.observations()[0]
				require.Equal(t, webhook.ReasonUndecodable, o.Reason)
				require.ErrorContains(t, o.Err, c.names)
				for _, said := range []string{o.Err.Error(), r.log.String()} {
					require.Less(t, len(said), 1500)
					require.NotContains(t, said, "jane.doe")
					require.NotContains(t, said, "4444444444")
				}
			})
		})
	}
}

func TestLog_TextsAreBounded(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	for name, callback := range map[string]func(context.Context, *Ping) error{
		"an error":  returns(fmt.Errorf("begin: %s: %w", huge, errors.New("the cause"))),
		"no UTF-8":  returns(errors.New("begin" + strings.Repeat("界", 1<<18) + "the cause")),
		"permanent": returns(webhook.Permanent(errors.New("begin" + huge + "the cause"))),
		"a panic":   func(context.Context, *Ping) error { panic("begin" + huge + "the cause") },
		"ignored":   returns(webhook.Ignore("begin" + huge + "the cause")),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, callback)
			r.deliver(body("a"))
			line := r.log.String()
			require.Less(t, len(line), 2<<10+40<<10)
			require.Less(t, strings.Count(line, "x"), 3000)
			if r.observations()[0].Err != nil {
				require.Contains(t, line, "begin")
				require.Contains(t, line, "the cause")
			}
			require.NotContains(t, line, `\ufffd`)
		})
	}
}

func TestLog_LongTextsKeepDocumentedLength(t *testing.T) {
	const text, stack = 1 << 10, 32 << 10
	for _, more := range []int{0, 1, 50_000} {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			if e.ID == "stack" {
				return &webhook.PanicError{Stack: bytes.Repeat([]byte("x"), stack+more)}
			}
			return errors.New(strings.Repeat("x", text+more))
		})
		var got struct{ Error, Stack string }
		r.process(body("stack"))
		require.NoError(t, json.Unmarshal([]byte(r.log.Lines()[0]), &got))
		require.Equal(t, stack, strings.Count(got.Stack, "x"))
		require.Equal(t, more > 0, strings.Contains(got.Stack, "…"))
		r.process(body("error"))
		require.NoError(t, json.Unmarshal([]byte(r.log.Lines()[1]), &got))
		require.Equal(t, text, strings.Count(got.Error, "x"))
		require.Equal(t, more > 0, strings.Contains(got.Error, "…"))
	}
}

// An Authenticator's explanation can be as long as the body.
type talkative struct{}

func (talkative) Authenticate(context.Context, *vendors.Request, []byte) (signature.Match, error) {
	return signature.Match{}, errors.New(strings.Repeat("e", 1<<20))
}

func (talkative) Explain(_ *vendors.Request, b []byte) diagnose.Explanation {
	return diagnose.Explanation{Cause: diagnose.Unexplained, Text: strings.Repeat("x", 1<<20)}
}

func TestLog_ExplanationsAreBounded(t *testing.T) {
	var log logtest.LogBuffer
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: talkative{}}, &webhook.Options{Logger: log.JSON(slog.LevelInfo)})
	require.NoError(t, err)
	require.Equal(t, webhook.Unauthenticated, h.Process(t.Context(), webhook.Request{}).Outcome)
	require.Contains(t, log.String(), "explanation")
	require.Less(t, len(log.String()), 4000)
}
