package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// hiding has middlewares whose ResponseWriter has no Unwrap method.
var hiding = map[string]func(http.Handler) http.Handler{
	"TimeoutHandler": func(h http.Handler) http.Handler { return http.TimeoutHandler(h, patience, "") },
	"no Unwrap": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { h.ServeHTTP(bodyWriter{w, w}, q) })
	},
	"no Unwrap, and another context": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			h.ServeHTTP(bodyWriter{w, w}, q.WithContext(context.WithValue(q.Context(), ownKey{}, 0)))
		})
	},
	"Unwrap": func(h http.Handler) http.Handler { return h },
}

type ownKey struct{}

// A connCount counts a server's connections.
type connCount struct{ opened, closed atomic.Int64 }

// requireOpen waits until that many connections have been opened, and all except open are closed.
func (c *connCount) requireOpen(t *testing.T, opened, open int64) {
	t.Helper()
	require.Eventually(t, func() bool { return c.opened.Load() == opened && c.closed.Load() == opened-open }, patience, time.Millisecond)
}

// serveCounting serves by server and counts its connections.
func serveCounting(t *testing.T, server *http.Server, secure bool) (s *httptest.Server, count *connCount) {
	count = new(connCount)
	s = httptest.NewUnstartedServer(server.Handler)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			count.opened.Add(1)
		case http.StateClosed, http.StateHijacked:
			count.closed.Add(1)
		}
	}
	server.ErrorLog = s.Config.ErrorLog
	s.Config = server
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, count
}

// The senders stall without a disconnect. Less than 256 KiB is missing, so net/http would wait for the rest.
func TestStall_EndsTheConnection(t *testing.T) {
	const bodyTimeout = 500 * time.Millisecond
	for server, newServer := range map[string]func(http.Handler) *http.Server{
		"NewServer":           func(h http.Handler) *http.Server { return webhook.NewServer("", h) },
		"longer ReadTimeout":  func(h http.Handler) *http.Server { return &http.Server{Handler: h, ReadTimeout: 2 * bodyTimeout} },
		"shorter ReadTimeout": func(h http.Handler) *http.Server { return &http.Server{Handler: h, ReadTimeout: bodyTimeout / 2} },
	} {
		for middleware, hide := range hiding {
			for _, secure := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, TLS %v", server, middleware, secure), func(t *testing.T) {
					t.Parallel()
					r := newReceiver(t, webhook.Options{BodyTimeout: bodyTimeout, ReadBudget: webhook.NewReadBudget(2 << 20)})
					ping.On(r.Handler, returns(nil))
					s, count := serveCounting(t, newServer(hide(r)), secure)
					var conns []*wireClient
					for i := range 8 {
						c := dialTo(t, s, secure)
						request := r.head(nil, length(100_000)) + strings.Repeat(" ", 50_000*(i%4/2))
						if i%2 == 1 {
							request = r.head(nil, "Transfer-Encoding: chunked") + "ffff\r\n" + strings.Repeat(" ", i)
						}
						_, _ = io.WriteString(c.Conn, request) // on a busy machine a short ReadTimeout may end before the TLS handshake
						conns = append(conns, c)
					}
					if server == "NewServer" { // on a busy machine a short ReadTimeout may end before the headers are read
						for _, c := range conns {
							require.Equal(t, http.StatusServiceUnavailable, c.readResponse().status)
						}
					}
					count.requireOpen(t, 8, 0)
					require.Eventually(t, func() bool {
						used, _ := r.ReadBudget().Used() // TimeoutHandler may return before the handler
						return used == 0
					}, patience, time.Millisecond)
					require.Zero(t, r.log.Count("a middleware hides"))
				})
			}
		}
	}
}

func dialTo(t *testing.T, s *httptest.Server, secure bool) *wireClient {
	c := dial(t, s.Listener.Addr().String())
	if secure {
		c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
		c.buf.Reset(c.Conn)
	}
	return c
}

// Without a ReadTimeout only the sender can end the read.
func TestStall_WithoutReadTimeoutIsNoticedOnce(t *testing.T) {
	r := newReceiver(t, webhook.Options{BodyTimeout: 50 * time.Millisecond})
	s, count := serveCounting(t, &http.Server{Handler: hiding["no Unwrap"](r)}, false) //nolint:gosec // what is tested
	for range 3 {
		c := dialTo(t, s, false)
		c.write(r.head(nil, length(100)))
		require.Equal(t, http.StatusServiceUnavailable, c.readResponse().status)
		require.NoError(t, c.Close())
	}
	count.requireOpen(t, 3, 0)
	require.Equal(t, 1, r.log.Count("a middleware hides the connection", `"level":"WARN"`, "webhook.NewServer"))
}

func TestStall_IsNotNoticedWhenBodiesEnd(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	s, _ := serveCounting(t, &http.Server{Handler: hiding["no Unwrap"](r)}, false) //nolint:gosec // what is tested
	for range 100 {
		c := dialTo(t, s, false)
		c.write(r.post(body("a")))
		require.Equal(t, http.StatusOK, c.readResponse().status)
		c.write(r.head(nil, length(100)))
		require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		require.Equal(t, http.StatusServiceUnavailable, c.readResponse().status)
		require.NoError(t, c.Close())
	}
	require.Zero(t, r.log.Count("a middleware hides the connection"))
}

// An evicted body ends its connection in the same way, long before its timeout.
func TestStall_ClosesConnectionOnEviction(t *testing.T) {
	for middleware, hide := range hiding {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", middleware, secure), func(t *testing.T) {
				r := newReceiver(t, webhook.Options{MaxBody: 2 * chunk, BodyTimeout: patience, ResponseTimeout: patience, ReadBudget: webhook.NewReadBudget(4 * chunk)},
					func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.RespondWithin = time.Hour })
				ping.On(r.Handler, returns(nil))
				server := webhook.NewServer("", hide(r))
				server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 0, 0, 0
				s, count := serveCounting(t, server, secure)
				for i := range 20 {
					c := dialTo(t, s, secure)
					c.write(r.head(nil, length(chunk)), " ")
					require.Eventually(t, func() bool {
						_, reading := r.ReadBudget().Used()
						return reading == min(i+1, 4) && len(r.observations()) == max(i-3, 0)
					}, patience, time.Millisecond)
				}
				for _, o := range r.observations() {
					require.Equal(t, webhook.ReasonEvicted, o.Reason)
				}
				count.requireOpen(t, 20, 4)
			})
		}
	}
}

// HTTP/2 has no connection for each request, and a middleware may hide the stream.
func TestStall_RespondsToEvictionOverHTTP2(t *testing.T) {
	for middleware, hide := range hiding {
		t.Run(middleware, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{MaxBody: 2 * chunk, BodyTimeout: patience, ResponseTimeout: patience, ReadBudget: webhook.NewReadBudget(4 * chunk)},
				func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.RespondWithin = time.Hour })
			ping.On(r.Handler, returns(nil))
			server := webhook.NewServer("", hide(r))
			server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 0, 0, 0
			s := httptest.NewUnstartedServer(nil)
			s.Config, s.EnableHTTP2 = server, true
			s.StartTLS()
			t.Cleanup(s.Close)
			statuses := make(chan int, 4)
			var slow []*io.PipeWriter
			for i := range 4 {
				out, in := io.Pipe()
				go func() { statuses <- r.postTo(s, out, nil).status }()
				_, err := io.WriteString(in, " ")
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					_, reading := r.ReadBudget().Used()
					return reading == i+1
				}, patience, time.Millisecond)
				slow = append(slow, in)
			}
			for i := range 4 { // each evicts one body, and ends before the next
				b := body(fmt.Sprint(i))
				require.Equal(t, http.StatusOK, r.postTo(s, bytes.NewReader(b), b).status)
				if i == 0 {
					require.Equal(t, http.StatusServiceUnavailable, <-statuses)
				}
			}
			require.Empty(t, statuses, "the other bodies must fit")
			for _, in := range slow {
				require.NoError(t, in.Close())
			}
			for range 3 {
				require.Equal(t, http.StatusUnauthorized, <-statuses)
			}
			require.Equal(t, 1, r.log.Count(`"reason":"evicted"`))
		})
	}
}

func TestNewServer_LimitsRequests(t *testing.T) {
	s := webhook.NewServer("127.0.0.1:1", nil)
	require.Equal(t, "127.0.0.1:1", s.Addr)
	require.Nil(t, s.Handler)
	require.Greater(t, s.WriteTimeout, 27*time.Second, "EmberQA's ResponseTimeout")
	for _, limit := range []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout} {
		require.Positive(t, limit)
	}

	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		began := time.Now()
		listener, server := kit.NewPipeListener(), webhook.NewServer("", r)
		go server.Serve(listener)
		defer server.Close()
		var conns []*wireClient
		open := func() *wireClient {
			conn, err := listener.Dial()
			require.NoError(t, err)
			conns = append(conns, &wireClient{conn, t, bufio.NewReader(conn)})
			return conns[len(conns)-1]
		}
		for size, want := range map[int]int{30 << 10: http.StatusUnauthorized, 40 << 10: http.StatusRequestHeaderFieldsTooLarge} {
			c := open()
			go func() { // the server may stop reading before the end
				_, _ = fmt.Fprintf(c.Conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Acme-Signature: %s\r\n\r\n", strings.Repeat("a", size))
			}()
			require.Equal(t, want, c.readResponse().status)
		}
		open() // this connection sends nothing
		open().write("POST / HTTP/1.1\r\nHost:")
		idle := open()
		idle.write(r.post(body("a")))
		require.Equal(t, http.StatusOK, idle.readResponse().status)
		for _, c := range conns {
			c.requireClosed()
		}
		require.LessOrEqual(t, time.Since(began), max(s.ReadHeaderTimeout, s.IdleTimeout)+time.Second)
	})
}

// The deadlines of a request must not apply to the next one.
func TestNewServer_KeepsConnectionsBehindMiddleware(t *testing.T) {
	for middleware, hide := range hiding {
		t.Run(middleware, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, func(ctx context.Context, _ *Ping) error { return ctx.Err() })
			s, _ := serveCounting(t, webhook.NewServer("", hide(r)), false)
			c := dialTo(t, s, false)
			for i := range 5 {
				c.write(r.post(body(fmt.Sprint(i))))
				require.Equal(t, http.StatusOK, c.readResponse().status)
			}
		})
	}
}
