package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

func TestBody_Responds503AndClosesWhenSlow(t *testing.T) {
	const bodyTimeout = 200 * time.Millisecond
	for _, genuine := range []bool{true, false} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprintf("genuine %v, chunked %v", genuine, chunked), func(t *testing.T) {
				r := newReceiver(t, webhook.Options{BodyTimeout: bodyTimeout})
				ping.On(r.Handler, returns(nil))
				c := dial(t, listen(t, r))
				b := body(strings.Repeat("a", 20_000))
				signed := b
				if !genuine {
					signed = []byte("something else")
				}
				sent := time.Now()
				if chunked {
					c.write(r.head(signed, "Transfer-Encoding: chunked"), fmt.Sprintf("%x\r\n", len(b)))
				} else {
					c.write(r.head(signed, length(len(b))))
				}
				ended := c.trickle(string(b), 10*time.Millisecond) // takes minutes
				got := c.readResponse()
				require.GreaterOrEqual(t, time.Since(sent), bodyTimeout)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.Positive(t, retryAfter(t, got))
				require.Equal(t, "close", got.header.Get("Connection"))
				c.requireClosed()
				require.False(t, ended(), "the response must not wait for the rest")
				o := r.last(1)
				require.Equal(t, webhook.Rejected, o.Outcome)
				require.Equal(t, webhook.ReasonSlow, o.Reason)
				require.Zero(t, o.Bytes)
			})
		}
	}
}

func TestBody_Responds503OverTLSWhenSlow(t *testing.T) {
	const bodyTimeout = 200 * time.Millisecond
	eachHTTP(t, webhook.Options{BodyTimeout: bodyTimeout}, func(t *testing.T, r *receiver, s *httptest.Server) {
		ping.On(r.Handler, returns(nil))
		out, in := io.Pipe()
		defer in.Close()
		go func() {
			for {
				if _, err := in.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		require.Equal(t, http.StatusServiceUnavailable, r.postTo(s, out, nil).status, "the body never ends")
		require.Equal(t, webhook.ReasonSlow, r.last(1).Reason)
		r.postInTime(s, body("a"))
	})
}

func TestBody_RespondsInTimeBehindTimeoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		sender := senderTo(t, acme(), http.TimeoutHandler(r, time.Minute, ""))
		got := sender.SendSlowly(sender.Raw(body("a")), 30*time.Second)
		got.Want(http.StatusServiceUnavailable)
		require.Equal(t, webhook.DefaultBodyTimeout, got.Took)
		require.Equal(t, webhook.ReasonSlow, r.observations()[0].Reason)
	})
}

func TestBody_Responds503WhenCutOff(t *testing.T) {
	b := string(body("a"))
	for name, sent := range map[string]string{
		"declared":               length(len(b)) + "\r\n\r\n" + b[:len(b)-1],
		"declared, nothing came": length(len(b)) + "\r\n\r\n",
		"chunked, in a chunk":    "Transfer-Encoding: chunked\r\n\r\nff\r\n" + b,
		"chunked, no last chunk": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(b), b),
		"chunked, not hex":       "Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + b,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, returns(nil))
			c := dial(t, listen(t, r))
			c.write(strings.TrimSuffix(r.head([]byte(b)), "\r\n"), sent)
			require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
			got := c.readResponse()
			require.Equal(t, http.StatusServiceUnavailable, got.status)
			require.Positive(t, retryAfter(t, got))
			require.Equal(t, webhook.ReasonCutOff, r.last(1).Reason)
			c.requireClosed()
		})
	}
}

func TestBody_AcceptsChunkedUpToMaxBody(t *testing.T) {
	r := newReceiver(t, webhook.Options{MaxBody: 1000})
	ping.On(r.Handler, returns(nil))
	address := listen(t, r)
	chunked := func(b []byte, size int) *wireClient {
		c := dial(t, address)
		var w strings.Builder
		for rest := b; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			part := rest[:min(size, len(rest))]
			fmt.Fprintf(&w, "%x\r\n%s\r\n", len(part), part)
		}
		c.write(r.head(b, "Transfer-Encoding: chunked"), w.String(), "0\r\n\r\n")
		return c
	}
	require.Equal(t, http.StatusOK, chunked(body("a"), 7).readResponse().status)

	fill := 1000 - len(body(""))
	require.Equal(t, http.StatusOK, chunked(body(strings.Repeat("b", fill)), 100).readResponse().status, "to the byte")
	c := chunked(body(strings.Repeat("c", fill+1)), 100)
	require.Equal(t, http.StatusRequestEntityTooLarge, c.readResponse().status)
	c.requireClosed()

	endless := dial(t, address)
	endless.write(r.head(nil, "Transfer-Encoding: chunked"))
	endless.trickle(strings.Repeat("400\r\n"+strings.Repeat(" ", 1024)+"\r\n", 100), 0)
	require.Equal(t, http.StatusRequestEntityTooLarge, endless.readResponse().status)
	endless.requireClosed()
}

func TestBody_EndsAtDeclaredLength(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	c := dial(t, listen(t, r))
	c.write(r.post(body("a")), r.post(body("b")), "and bytes that are not a request\r\n\r\n")
	require.Equal(t, http.StatusOK, c.readResponse().status)
	require.Equal(t, http.StatusOK, c.readResponse().status)
	require.Equal(t, http.StatusBadRequest, c.readResponse().status)
	require.Len(t, r.observations(), 2)
}

// deadlines has the ways to end a read of the body, and one without any.
var deadlines = map[string]func(*httptest.ResponseRecorder) http.ResponseWriter{
	"no deadline":   func(w *httptest.ResponseRecorder) http.ResponseWriter { return w },
	"not supported": func(w *httptest.ResponseRecorder) http.ResponseWriter { return poorWriter{w, http.ErrNotSupported} },
	"another error": func(w *httptest.ResponseRecorder) http.ResponseWriter { return poorWriter{w, errOdd} },
}

func TestBody_StopsWaitingForUninterruptibleReader(t *testing.T) {
	for name, writer := range deadlines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, returns(nil))
				request := r.signed(body("a"))
				stops, _ := io.Pipe()
				request.Body = stops
				w, start := httptest.NewRecorder(), time.Now()
				r.ServeHTTP(writer(w), request)
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Equal(t, webhook.DefaultBodyTimeout, time.Since(start))
				stops.Close() // like the server
			})
		})
	}
}

func TestBody_StopsReadingAfterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		var reads atomic.Int64
		result := r.Process(t.Context(), webhook.Request{Body: readerFunc(func(p []byte) (int, error) {
			reads.Add(1)
			time.Sleep(time.Second)
			p[0] = ' '
			return 1, nil
		})})
		require.Equal(t, webhook.ReasonSlow, result.Reason)
		time.Sleep(time.Hour)
		require.LessOrEqual(t, reads.Load(), int64(4))
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestBody_SurvivesReaderPanic(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	for range 2 { // the slot must be released
		result := r.Process(t.Context(), webhook.Request{Body: readerFunc(func([]byte) (int, error) { panic("recycled") })})
		require.Equal(t, webhook.Rejected, result.Outcome)
		require.Equal(t, webhook.ReasonCutOff, result.Reason)
	}
}

func TestBody_EndsAtEarliestDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		o    webhook.Options
		ctx  time.Duration
		want time.Duration
	}{
		"ResponseTimeout": {o: webhook.Options{ResponseTimeout: time.Second}, want: time.Second},
		"BodyTimeout":     {o: webhook.Options{BodyTimeout: 2 * time.Second}, want: 2 * time.Second},
		"a longer one":    {o: webhook.Options{BodyTimeout: time.Minute}, want: 4500 * time.Millisecond},
		"ctx's deadline":  {ctx: 800 * time.Millisecond, want: 600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, c.o)
				ctx := t.Context()
				if c.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.ctx)
					defer cancel()
				}
				start := time.Now()
				result := r.Process(ctx, webhook.Request{Body: stuck{}})
				require.Equal(t, webhook.Rejected, result.Outcome)
				require.Equal(t, c.want, time.Since(start))
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestBody_ReadsFromEveryReader(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once":         func(r io.Reader) io.Reader { return r },
		"byte by byte":    iotest.OneByteReader,
		"in halves":       iotest.HalfReader,
		"end with data":   iotest.DataErrReader,
		"as a *Buffer":    func(r io.Reader) io.Reader { b := new(bytes.Buffer); b.ReadFrom(r); return b },
		"with empty ones": func(r io.Reader) io.Reader { return io.MultiReader(strings.NewReader(""), r) },
	} {
		for _, size := range []int{0, 2000, 70_000, 300_000} {
			if name == "byte by byte" {
				size = min(size, 20_000)
			}
			for _, declared := range []bool{true, false} {
				r := newReceiver(t, webhook.Options{})
				b := body(strings.Repeat("x", size))
				ping.On(r.Handler, func(_ context.Context, e *Ping) error {
					require.Equal(t, b, e.Delivery().Body)
					return nil
				})
				request := r.signed(b)
				given := webhook.Request{Header: request.Header, Body: wrap(bytes.NewReader(b)), ContentLength: -1}
				if declared {
					given.ContentLength = int64(len(b))
				}
				result := r.Process(t.Context(), given)
				require.Equal(t, webhook.Handled, result.Outcome, "%s, %d bytes: %v", name, size, result.Err)
				require.Equal(t, len(b), r.observations()[0].Bytes)
			}
		}
	}
}

func TestBody_RejectsWrongDeclaredLength(t *testing.T) {
	right := int64(len(body("a")))
	for _, wrong := range []int64{1, right - 3, right + 3} {
		r := newReceiver(t, webhook.Options{})
		b := body("a")
		request := r.signed(b)
		result := r.Process(t.Context(), webhook.Request{Header: request.Header, Body: bytes.NewReader(b), ContentLength: wrong})
		require.Equal(t, webhook.Rejected, result.Outcome)
		require.Equal(t, webhook.ReasonLength, result.Reason)
		require.True(t, result.Close)
	}
}

func TestBody_ReportsReadError(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	broken := errors.New("the wire was cut")
	result := r.Process(t.Context(), webhook.Request{Body: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(broken))})
	require.Equal(t, webhook.ReasonCutOff, result.Reason)
	require.ErrorIs(t, result.Err, broken)
}

func TestBody_BelongsToCallback(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	var kept []*webhook.Delivery
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		kept = append(kept, e.Delivery())
		return nil
	})
	var sent [][]byte
	for i := range 50 {
		sent = append(sent, body(fmt.Sprintf("%d-%s", i, strings.Repeat("x", i))))
		r.deliver(sent[i])
	}
	for i, d := range kept {
		require.Equal(t, sent[i], d.Body)
	}
}

// A deadlineWriter records the deadlines that are set.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	set []time.Duration // relative to now; -1 means no deadline
}

func (w *deadlineWriter) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		w.set = append(w.set, -1)
	} else {
		w.set = append(w.set, time.Until(at))
	}
	return nil
}

func TestBody_LimitsReadDeadlineToBody(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		body   io.Reader
		want   []time.Duration
	}{
		"genuine": {"POST", nil, []time.Duration{3 * time.Second, -1}},
		"forged":  {"POST", strings.NewReader("{}"), []time.Duration{3 * time.Second, -1}},
		"cut off": {"POST", iotest.ErrReader(io.ErrUnexpectedEOF), []time.Duration{3 * time.Second, 500 * time.Millisecond}},
		"unread":  {"PUT", nil, []time.Duration{500 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
				ping.On(r.Handler, func(context.Context, *Ping) error {
					require.Equal(t, c.want, w.set, "the deadline must not apply to the callback")
					return nil
				})
				request := r.signed(body("a"))
				request.Method = c.method
				if c.body != nil {
					request.Body, request.ContentLength = io.NopCloser(c.body), -1
				}
				r.ServeHTTP(w, request)
				require.Equal(t, c.want, w.set)
			})
		})
	}
}
