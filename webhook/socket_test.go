package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// patience bounds how long a test on a real socket waits. It is long, because the machine may be busy.
const patience = time.Minute

// listen serves h on loopback and returns the address.
func listen(t *testing.T, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// A wireClient is an HTTP/1.1 client that writes the bytes of its requests.
type wireClient struct {
	net.Conn
	t   *testing.T
	buf *bufio.Reader
}

func dial(t *testing.T, address string) *wireClient {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &wireClient{conn, t, bufio.NewReader(conn)}
}

func (c *wireClient) write(parts ...string) {
	_, err := io.WriteString(c.Conn, strings.Join(parts, ""))
	require.NoError(c.t, err)
}

func (c *wireClient) readResponse() httpResponse {
	c.t.Helper()
	response, err := http.ReadResponse(c.buf, nil)
	require.NoError(c.t, err)
	b, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if response.Close {
		response.Header.Set("Connection", "close")
	}
	return httpResponse{response.StatusCode, response.Header, string(b)}
}

// requireClosed waits for the server to close the connection.
func (c *wireClient) requireClosed() {
	c.t.Helper()
	_, err := c.buf.ReadByte()
	require.Error(c.t, err, "the server must close the connection")
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded, "the server must close the connection in time")
}

// trickle writes the text byte by byte until the connection fails. The returned function reports whether the whole text was
// written.
func (c *wireClient) trickle(text string, every time.Duration) (ended func() bool) {
	var all atomic.Bool
	go func() {
		for i := range len(text) {
			if _, err := io.WriteString(c.Conn, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(every)
		}
		all.Store(true)
	}()
	return all.Load
}

// head returns the request line and the headers, with the signature and a Content-Length.
func (r *receiver) head(body []byte, headers ...string) string {
	request := r.signed(body)
	lines := append([]string{
		"POST / HTTP/1.1", "Host: receiver.test",
		"X-Acme-Signature: " + request.Header.Get("X-Acme-Signature"),
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func length(n int) string { return fmt.Sprintf("Content-Length: %d", n) }

// post returns a complete signed request.
func (r *receiver) post(body []byte) string { return r.head(body, length(len(body))) + string(body) }

// last waits for the n-th observation and returns it.
func (r *receiver) last(n int) webhook.Observation {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return len(r.observations()) >= n }, patience, time.Millisecond)
	seen := r.observations()
	require.Len(r.t, seen, n)
	return seen[n-1]
}

func TestConnection_StaysOpenAfterDelivery(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	c := dial(t, listen(t, r))
	for i := range 3 {
		c.write(r.post(body(fmt.Sprint(i))))
		got := c.readResponse()
		require.Equal(t, http.StatusOK, got.status)
		require.Empty(t, got.header.Get("Connection"))
	}
}

func TestConnection_StaysOpenAfterUnauthenticatedRequest(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	c := dial(t, listen(t, r))
	c.write(r.head([]byte("another body"), length(len(body("a")))), string(body("a")))
	require.Equal(t, http.StatusUnauthorized, c.readResponse().status)
	c.write(r.post(body("a")))
	require.Equal(t, http.StatusOK, c.readResponse().status)
}

func TestCallbackContext_OutlivesReadDeadline(t *testing.T) {
	const bodyTimeout = 50 * time.Millisecond
	var observed error // the last one
	observer := func(ctx context.Context, _ webhook.Observation) { observed = ctx.Err() }
	eachHTTP(t, webhook.Options{BodyTimeout: bodyTimeout, Observer: observer}, func(t *testing.T, r *receiver, s *httptest.Server) {
		var after error
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			select {
			case <-ctx.Done():
			case <-time.After(5 * bodyTimeout):
			}
			after = ctx.Err()
			return nil
		})
		r.postInTime(s, body("a"))
		require.NoError(t, after)
		require.NoError(t, observed, "the request's context must not have ended when the observer is called")
		r.postInTime(s, body("b")) // the next delivery must be read
	})
}

func TestCallbackContext_OutlivesDisconnect(t *testing.T) {
	eachHTTP(t, webhook.Options{}, func(t *testing.T, r *receiver, s *httptest.Server) {
		started, gone, after := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			close(started)
			<-gone
			after <- ctx.Err()
			return nil
		})
		inner := s.Config.Handler
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			go func() {
				<-q.Context().Done()
				close(gone)
			}()
			inner.ServeHTTP(w, q)
		})
		ctx, hangUp := context.WithCancel(t.Context())
		request := r.signed(body("a"))
		request.URL.Scheme, request.URL.Host = "https", s.Listener.Addr().String()
		go func() {
			<-started
			hangUp()
		}()
		if response, err := s.Client().Do(request.WithContext(ctx)); err == nil {
			_ = response.Body.Close() // the response came before TLS had closed the connection
		}
		require.NoError(t, <-after)
		require.Equal(t, webhook.Handled, r.last(1).Outcome)
		require.Equal(t, "completed", r.keyState("a"))
	})
}

// eachHTTP runs test over TLS with HTTP/1.1 and HTTP/2. The test may replace the handler before the first request.
func eachHTTP(t *testing.T, o webhook.Options, test func(t *testing.T, r *receiver, s *httptest.Server)) {
	for _, two := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[two], func(t *testing.T) {
			r := newReceiver(t, o)
			s := httptest.NewUnstartedServer(r)
			s.EnableHTTP2 = two
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					r.connections.Add(1)
				}
			}
			s.StartTLS()
			t.Cleanup(s.Close)
			test(t, r, s)
		})
	}
}

// postTo sends the body from reader, with the signature of signedBody.
func (r *receiver) postTo(s *httptest.Server, reader io.Reader, signedBody []byte) httpResponse {
	r.t.Helper()
	request := r.signed(signedBody)
	sent, err := http.NewRequest(http.MethodPost, s.URL, reader)
	require.NoError(r.t, err)
	sent.Header = request.Header
	client := *s.Client()
	client.Timeout = patience
	response, err := client.Do(sent)
	require.NoError(r.t, err)
	defer response.Body.Close()
	require.Equal(r.t, s.EnableHTTP2, response.ProtoMajor == 2)
	b, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	return httpResponse{response.StatusCode, response.Header, string(b)}
}

// postInTime sends a delivery until it is handled, like a vendor. On a busy machine a short BodyTimeout may pass before a
// body is read, even if it was sent at once.
func (r *receiver) postInTime(s *httptest.Server, b []byte) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		status := r.postTo(s, bytes.NewReader(b), b).status
		if status == http.StatusOK {
			return
		}
		require.Equal(r.t, http.StatusServiceUnavailable, status)
		require.True(r.t, time.Now().Before(deadline), "a body must be read in time")
	}
}

func TestResponse_ReachesSenderThatStillWrites(t *testing.T) {
	r := newReceiver(t, webhook.Options{MaxBody: 1000})
	ping.On(r.Handler, returns(nil))
	address := listen(t, r)
	for _, size := range []int{5_000, 100_000, 250_000} {
		for range 10 {
			c := dial(t, address)
			c.write(r.head(nil, length(size)), strings.Repeat(" ", size))
			require.Equal(t, http.StatusRequestEntityTooLarge, c.readResponse().status)
			_, err := c.buf.ReadByte()
			require.ErrorIs(t, err, io.EOF, "a connection reset could lose the response")
		}
	}
}

func TestHeader_RefusesOneMegabyte(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	address := listen(t, r)
	for size, want := range map[int]int{
		900 << 10:  http.StatusUnauthorized,
		1100 << 10: http.StatusRequestHeaderFieldsTooLarge, // from net/http
	} {
		c := dial(t, address)
		go func() { // the server may stop reading before the end
			_, _ = fmt.Fprintf(c.Conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Acme-Signature: %s\r\n\r\n", strings.Repeat("a", size))
		}()
		require.Equal(t, want, c.readResponse().status)
	}
	require.Equal(t, webhook.Reason("header_malformed"), r.last(1).Reason)
}

func TestHeader_RefusesRepeatedSignature(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	c := dial(t, listen(t, r))
	b := body("a")
	head := r.head(b, length(len(b)))
	again := head[strings.Index(head, "X-Acme"):strings.Index(head, "Content-Length")]
	c.write(r.head(b, strings.ToLower(strings.TrimSpace(again)), length(len(b))), string(b))
	require.Equal(t, http.StatusUnauthorized, c.readResponse().status)
	require.Equal(t, webhook.Reason("header_repeated"), r.last(1).Reason)
}

func TestHandler_WorksBehindNetHTTPMiddleware(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"StripPrefix":     func(h http.Handler) http.Handler { return http.StripPrefix("/hooks", h) },
		"TimeoutHandler":  func(h http.Handler) http.Handler { return http.TimeoutHandler(h, patience, "") },
		"MaxBytesHandler": func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 1<<10) },
		"ServeMux": func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("POST /hooks/{rest...}", h)
			return mux
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, returns(nil))
			sender := senderTo(t, acme(), wrap(r)).WithPath("/hooks/acme")
			twice := sender.SendTwice(sender.Raw(body("a")))
			twice.WantOK()
			require.Contains(t, string(twice[1].Body), "duplicate")
			large := sender.Send(sender.Raw(body(strings.Repeat("x", 2<<10))))
			if name == "MaxBytesHandler" {
				large.Want(http.StatusRequestEntityTooLarge) // an http.MaxBytesReader gives the same status as MaxBody
			} else {
				large.WantOK()
			}
		})
	}
}

var errOdd = errors.New("this connection has no deadlines")

// A poorWriter is a ResponseWriter without a working read deadline.
type poorWriter struct {
	*httptest.ResponseRecorder
	err error
}

func (w poorWriter) SetReadDeadline(time.Time) error { return w.err }

func TestMaxBody_RejectsLargerBodyOverTLS(t *testing.T) {
	eachHTTP(t, webhook.Options{MaxBody: 1000}, func(t *testing.T, r *receiver, s *httptest.Server) {
		ping.On(r.Handler, returns(nil))
		large := make([]byte, 200_000)
		require.Equal(t, http.StatusRequestEntityTooLarge, r.postTo(s, bytes.NewReader(large), large).status)
		unknownLength := io.MultiReader(bytes.NewReader(large))
		require.Equal(t, http.StatusRequestEntityTooLarge, r.postTo(s, unknownLength, large).status)
		small := body("a")
		require.Equal(t, http.StatusOK, r.postTo(s, bytes.NewReader(small), small).status)
		if s.EnableHTTP2 {
			require.EqualValues(t, 1, r.connections.Load(), "a connection may have the deliveries of many senders")
		}
	})
}
