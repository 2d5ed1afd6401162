package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

func TestRefusal_DoesNotWaitForBody(t *testing.T) {
	r := newReceiver(t, webhook.Options{MaxBody: 1000, BodyTimeout: time.Hour})
	ping.On(r.Handler, returns(nil))
	address := listen(t, r)
	var conns []*wireClient
	var ended []func() bool
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"method":           {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n", http.StatusMethodNotAllowed},
		"method, chunked":  {"PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n", http.StatusMethodNotAllowed},
		"encoding":         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 200000\r\n\r\n", http.StatusUnsupportedMediaType},
		"second encoding":  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 200000\r\n\r\n", http.StatusUnsupportedMediaType},
		"declared length":  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n", http.StatusRequestEntityTooLarge},
		"enormous length":  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", http.StatusRequestEntityTooLarge},
		"expects continue": {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n", http.StatusRequestEntityTooLarge},
	} {
		conn := dial(t, address)
		conns = append(conns, conn)
		conn.write(c.head) // without the body
		got := conn.readResponse()
		require.Equal(t, c.status, got.status, "%s: not even a 100 comes first", name)
		require.Equal(t, "close", got.header.Get("Connection"))
		ended = append(ended, conn.trickle(strings.Repeat(" ", 200_000), time.Millisecond)) // takes minutes
	}
	for i, conn := range conns {
		conn.requireClosed()
		require.False(t, ended[i](), "a slow sender must not delay the end of the connection")
	}
	for _, o := range r.observations() {
		require.Zero(t, o.Bytes)
	}
}

func TestExpectContinue_SendsStatus100(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	c := dial(t, listen(t, r))
	b := body("a")
	c.write(r.head(b, "Expect: 100-continue", length(len(b))))
	require.Equal(t, http.StatusContinue, c.readResponse().status)
	c.write(string(b))
	require.Equal(t, http.StatusOK, c.readResponse().status)
}

func TestContentEncoding_AcceptsIdentity(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	for _, encoding := range []string{"identity", "Identity", ""} {
		request := r.signed(body("a"))
		request.Header.Set("Content-Encoding", encoding)
		require.Equal(t, http.StatusOK, r.send(request).status)
	}
}

func TestMaxBody_RejectsOneByteMore(t *testing.T) {
	for _, declared := range []int64{-1, 0, 1} { // 1: its true length
		b := body("a")
		for _, limit := range []int64{int64(len(b)), int64(len(b)) - 1} {
			r := newReceiver(t, webhook.Options{MaxBody: limit})
			ping.On(r.Handler, returns(nil))
			request := r.signed(b)
			given := webhook.Request{Header: request.Header, Body: bytes.NewReader(b), ContentLength: declared}
			if declared == 1 {
				given.ContentLength = int64(len(b))
			}
			want := http.StatusOK
			if limit < int64(len(b)) {
				want = http.StatusRequestEntityTooLarge
			}
			require.Equal(t, want, r.Process(t.Context(), given).Status)
		}
	}
}

func TestUnauthenticated_ConsumesNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{RateLimit: 1, RateBurst: 2, MaxRunning: 1})
		ping.On(r.Handler, returns(nil))
		for range 1000 {
			require.Equal(t, webhook.Unauthenticated, r.Process(t.Context(), webhook.Request{Body: bytes.NewReader(body("a"))}).Outcome)
		}
		require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
		require.Equal(t, http.StatusOK, r.deliver(body("b")).status)
		over := r.deliver(body("c"))
		require.Equal(t, http.StatusServiceUnavailable, over.status)
		require.Positive(t, retryAfter(t, over))
		require.Equal(t, webhook.ReasonRate, r.observations()[1002].Reason)
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, r.deliver(body("c")).status)
	})
}

func TestMaxRunning_LimitsCallbacksOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{MaxRunning: 2})
		ping.On(r.Handler, slow)
		for i := range 2 {
			go r.deliver(body(fmt.Sprint(i)))
		}
		synctest.Wait()
		over := r.deliver(body("c"))
		require.Equal(t, http.StatusServiceUnavailable, over.status)
		require.Equal(t, webhook.ReasonRunning, r.observations()[0].Reason)
		require.Equal(t, "none", r.keyState("c"), "the key must not be claimed")
		unhandled := bytes.Replace(body("d"), []byte(`"ping"`), []byte(`"pong"`), 1)
		require.Equal(t, http.StatusOK, r.deliver(unhandled).status)
		require.Equal(t, http.StatusUnauthorized, r.Process(t.Context(), webhook.Request{}).Status)

		time.Sleep(10 * time.Second) // both have their response, and still run
		require.Equal(t, http.StatusServiceUnavailable, r.deliver(body("e")).status)
		time.Sleep(20 * time.Second)
		require.Equal(t, http.StatusServiceUnavailable, r.deliver(body("e")).status, "the callback must be running when the response is due")
		require.Equal(t, webhook.ReasonOverrun, r.observations()[len(r.observations())-1].Reason)
		time.Sleep(time.Hour)
	})
}

func TestMaxRunning_DefaultsTo256(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, slow)
		for i := range 257 {
			go r.deliver(body(fmt.Sprint(i)))
		}
		synctest.Wait()
		require.Len(t, r.observations(), 1, "only one response is not due")
		require.Equal(t, webhook.ReasonRunning, r.observations()[0].Reason)
		time.Sleep(time.Hour)
	})
}

func TestProcess_AcceptsNonCanonicalHeaders(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	b := body("a")
	mac := r.signed(b).Header.Get("X-Acme-Signature")
	process := func(header http.Header) webhook.Result {
		return r.Process(t.Context(), webhook.Request{Header: header, Body: bytes.NewReader(b)})
	}
	lower := http.Header{"x-acme-signature": {mac}, "CONTENT-encoding": {"identity"}}
	require.Equal(t, http.StatusOK, process(lower).Status)
	require.Len(t, lower, 2, "Process must not change the caller's map")
	require.Contains(t, lower, "x-acme-signature")

	for _, other := range []string{mac, strings.ToUpper(mac), "", "forged"} {
		for _, name := range []string{"X-Acme-Signature", "X-ACME-SIGNATURE"} {
			twice := process(http.Header{"x-acme-signature": {mac}, name: {other}})
			require.Equal(t, http.StatusUnauthorized, twice.Status, "two spellings of one name must count as a repeated header")
			require.Equal(t, webhook.Reason("header_repeated"), twice.Reason)
		}
	}
	require.Equal(t, webhook.ReasonContentEncoding, process(http.Header{"x-acme-signature": {mac}, "content-encoding": {"gzip"}}).Reason)
}

func TestProcess_RespondsBeforeContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			time.Sleep(3 * time.Second)
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		request := r.signed(body("a"))
		start := time.Now()
		result := r.Process(ctx, webhook.Request{Header: request.Header, Body: bytes.NewReader(body("a"))})
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
		require.Equal(t, webhook.ReasonOverrun, result.Reason)
		require.Equal(t, http.StatusServiceUnavailable, result.Status)
		time.Sleep(time.Minute)
		require.Equal(t, "completed", r.keyState("a"), "the caller's context must not end the callback's")
		require.True(t, r.observations()[1].Late)
	})
}

func TestInbox_EndsBeforeResponseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{
			StoreTimeout: time.Minute,
			Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
				time.Sleep(time.Hour)
				return false, nil
			}),
		})
		start := time.Now()
		require.Equal(t, http.StatusServiceUnavailable, r.deliver(body("a")).status)
		require.Equal(t, 4500*time.Millisecond, time.Since(start))
		require.Equal(t, webhook.ReasonInbox, r.observations()[0].Reason)
		time.Sleep(time.Hour)
	})
}

func TestInbox_ReportsResultToObserver(t *testing.T) {
	for name, c := range map[string]struct {
		duplicate bool
		err       error
		status    int
		reason    webhook.Reason
	}{
		"new":       {false, nil, http.StatusOK, webhook.ReasonNone},
		"duplicate": {true, nil, http.StatusOK, webhook.ReasonStoredBefore},
		"full":      {false, fmt.Errorf("acme: 10 pending: %w", webhook.ErrInboxFull), http.StatusServiceUnavailable, webhook.ReasonInboxFull},
		"broken":    {false, errCallback, http.StatusServiceUnavailable, webhook.ReasonInbox},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{
				Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) { return c.duplicate, c.err }),
			})
			require.Equal(t, c.status, r.deliver(body("a")).status)
			require.Equal(t, c.reason, r.observations()[0].Reason)
		})
	}
}

func TestHandler_ReportsVendorEndpointAndTypes(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Endpoint = "eu" })
	require.Equal(t, "acme", r.Vendor())
	require.Equal(t, "eu", r.Endpoint())
	require.False(t, r.Handles("ping"))
	ping.On(r.Handler, returns(nil))
	require.True(t, r.Handles("ping"))
	require.False(t, r.Handles("boing"))
	r.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	require.True(t, r.Handles("boing"))
}

func TestProcess_AcceptsRequestWithoutBodyOrURL(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	require.Equal(t, webhook.Unauthenticated, r.Process(t.Context(), webhook.Request{}).Outcome)

	request := r.signed(nil)
	empty := r.Process(t.Context(), webhook.Request{Header: request.Header, URL: new(url.URL)})
	require.Equal(t, webhook.Rejected, empty.Outcome, "an empty body can be signed")
	require.Empty(t, empty.Delivery.Body)

	good := r.process(body("a"))
	require.Equal(t, webhook.Handled, good.Outcome)
	require.Equal(t, `{"received":true}`, string(good.Body))
	require.False(t, good.Close)
	require.Equal(t, "a", good.Delivery.ID)
	require.Equal(t, http.Header{"Content-Type": {"application/json"}}, good.Header())
}

func TestRefusal_HasNoDelivery(t *testing.T) {
	r := newReceiver(t, webhook.Options{MaxBody: 1000})
	for _, request := range []webhook.Request{
		{},
		{Method: "GET"},
		{ContentLength: 1001},
		{Header: http.Header{"Content-Encoding": {"zstd"}}},
		{Body: strings.NewReader(strings.Repeat(" ", 1001))},
	} {
		result := r.Process(t.Context(), request)
		require.Nil(t, result.Delivery)
		require.Error(t, result.Err)
		require.Equal(t, `{"received":false}`, string(result.Body))
	}
}

func TestRetryAfter_RoundsAndLimitsSeconds(t *testing.T) {
	for said, c := range map[time.Duration]struct{ age, want time.Duration }{
		-time.Second:            {0, 5 * time.Second},
		0:                       {0, 5 * time.Second},
		1:                       {0, time.Second},
		time.Second:             {0, time.Second},
		time.Second + 1:         {0, 2 * time.Second},
		time.Hour:               {0, time.Hour},
		time.Hour + 1:           {0, time.Hour},
		1 << 62:                 {0, time.Hour},
		10 * time.Minute:        {2*time.Hour + 55*time.Minute, 5 * time.Minute}, // later the delivery would be stale
		11 * time.Minute:        {3 * time.Hour, time.Second},
		12*time.Minute + 1:      {-4 * time.Minute, 12*time.Minute + time.Second},
		59*time.Minute + 59_000: {0, 59*time.Minute + time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window, p.GiveUpAfter = 3*time.Hour, 0 })
			ping.On(r.Handler, returns(webhook.RetryAfter(said, errCallback)))
			result := r.process(bodyAt("a", time.Now().Add(-c.age)))
			require.Equal(t, webhook.ReasonRetryAfter, result.Reason)
			require.Equal(t, c.want, result.RetryAfter, "%v", said)
			require.Equal(t, fmt.Sprint(c.want.Seconds()), result.Header().Get("Retry-After"))
		})
	}
}
