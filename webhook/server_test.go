package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// serveWithin serves h with the given WriteTimeout, on connections in memory. Call it in a bubble.
func serveWithin(t *testing.T, h http.Handler, writeTimeout time.Duration, two bool, change ...func(*http.Server)) *httptest.Server {
	listener := kit.NewPipeListener()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	s := &httptest.Server{
		Listener:    listener,
		EnableHTTP2: two,
		Config:      &http.Server{Handler: h, WriteTimeout: writeTimeout, Protocols: protocols},
	}
	for _, f := range change {
		f(s.Config)
	}
	s.Start()
	s.Client().Transport = &http.Transport{
		Protocols:   protocols,
		DialContext: listener.DialContext,
	}
	t.Cleanup(s.Close)
	return s
}

func TestWriteTimeout_IsExtendedAndNoticedOnce(t *testing.T) {
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", two), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, inTurn(200*time.Millisecond))
				s := serveWithin(t, r, 50*time.Millisecond, two)
				for n := range 3 {
					b := body(fmt.Sprint(n))
					require.Equal(t, http.StatusOK, r.postTo(s, bytes.NewReader(b), b).status)
					require.Equal(t, http.StatusOK, r.observations()[n].Status)
				}
				lines := r.log.Lines("WriteTimeout")
				require.Len(t, lines, 1)
				for _, text := range []string{`"level":"WARN"`, `"http.Server.WriteTimeout":"50ms"`, `"Options.ResponseTimeout":"4.5s"`, `"vendor":"acme"`, `"endpoint":"default"`} {
					require.Contains(t, lines[0], text)
				}
			})
		})
	}
}

// The handler cannot extend the WriteTimeout if a middleware hides the connection.
func TestWriteTimeout_IsHonoredBehindMiddleware(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"TimeoutHandler": func(h http.Handler) http.Handler { return http.TimeoutHandler(h, patience, "") },
		"no Unwrap": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { h.ServeHTTP(bodyWriter{w, w}, q) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				release := make(chan struct{})
				ping.On(r.Handler, func(context.Context, *Ping) error {
					<-release
					return nil
				})
				s := serveWithin(t, wrap(r), 2*time.Second, false)
				start := time.Now()
				got := r.postTo(s, bytes.NewReader(body("a")), body("a"))
				require.Equal(t, 1500*time.Millisecond, time.Since(start))
				close(release)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.JSONEq(t, `{"received":false}`, got.body)
				require.Equal(t, 1, r.log.Count("WriteTimeout", `"level":"WARN"`, "the handler responds before WriteTimeout"))
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

// With the ConnContext of NewServer, the handler can extend it nevertheless.
func TestWriteTimeout_IsExtendedByConnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, inTurn(4*time.Second))
		hides := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.ServeHTTP(bodyWriter{w, w}, q) })
		s := serveWithin(t, hides, 2*time.Second, false, func(s *http.Server) { s.ConnContext = webhook.NewServer("", nil).ConnContext })
		require.Equal(t, http.StatusOK, r.postTo(s, bytes.NewReader(body("a")), body("a")).status)
		require.Equal(t, 1, r.log.Count("WriteTimeout", "extends it for its own responses"))
	})
}

func TestWriteTimeout_LongEnoughIsSilent(t *testing.T) {
	for _, timeout := range []time.Duration{0, -time.Second, 4501 * time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, returns(nil))
			s := serveWithin(t, r, timeout, false)
			require.Equal(t, http.StatusOK, r.postTo(s, bytes.NewReader(body("a")), body("a")).status)
			require.Zero(t, r.log.Count("WriteTimeout"), timeout)
		})
	}
}

func TestNewServer_HasTheDocumentedLimits(t *testing.T) {
	s := webhook.NewServer("", nil)
	require.Equal(t, 5*time.Second, s.ReadHeaderTimeout)
	require.Equal(t, 10*time.Second, s.ReadTimeout)
	require.Equal(t, 40*time.Second, s.WriteTimeout)
	require.Equal(t, 20*time.Second, s.IdleTimeout)
	require.Equal(t, 32<<10, s.MaxHeaderBytes)
}

// The extended deadline leaves time for the Observer, which runs before the response is written.
func TestWriteTimeout_LeavesTimeForWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Observer: func(context.Context, webhook.Observation) { time.Sleep(time.Second) }})
		ping.On(r.Handler, slow)
		s := serveWithin(t, r, 50*time.Millisecond, false)
		require.Equal(t, http.StatusServiceUnavailable, r.postTo(s, bytes.NewReader(body("a")), body("a")).status)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestWriteTimeout_SurvivesLoggerPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := newHandler(&webhook.Options{Logger: slog.New(panickyLog{slog.DiscardHandler})})
		require.NoError(t, err)
		ping.On(h, returns(nil))
		s := serveWithin(t, h, 50*time.Millisecond, false)
		require.Equal(t, http.StatusOK, newReceiver(t, webhook.Options{}).postTo(s, bytes.NewReader(body("a")), body("a")).status)
	})
}
