package routers_test

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// limits are middlewares that end a request after a timeout.
var limits = map[string]func(http.Handler, time.Duration) http.Handler{
	"net/http": func(hook http.Handler, limit time.Duration) http.Handler {
		return http.TimeoutHandler(hook, limit, "<html>too late</html>")
	},
	"chi": func(hook http.Handler, limit time.Duration) http.Handler {
		router := chi.NewRouter()
		router.Use(chimiddleware.Timeout(limit))
		router.Method(http.MethodPost, greenflashPath, hook)
		return router
	},
	"echo": func(hook http.Handler, limit time.Duration) http.Handler {
		router := echo.New()
		router.Use(middleware.ContextTimeout(limit))
		router.POST(greenflashPath, echo.WrapHandler(hook))
		return router
	},
}

func TestTimeout_RespondsBeforeTheMiddleware(t *testing.T) {
	for name, limited := range limits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				observed := make(chan webhook.Observation, 2)
				hook, err := greenflash.NewHandler(secret, &webhook.Options{
					Logger:   slog.New(slog.DiscardHandler),
					Observer: func(_ context.Context, o webhook.Observation) { observed <- o },
				})
				require.NoError(t, err)
				release := make(chan struct{})
				hook.OnConversationFrustration(func(context.Context, *greenflash.ConversationFrustration) error {
					<-release
					return nil
				})
				var logged logtest.LogBuffer
				listener := kit.NewPipeListener()
				server := &httptest.Server{
					Listener: listener,
					Config:   &http.Server{Handler: limited(hook, 2*time.Second), ErrorLog: log.New(&logged, "", 0)}, //nolint:gosec // a test
				}
				server.Start()
				defer server.Close()
				client := &http.Client{Transport: &http.Transport{DialContext: listener.DialContext, DisableKeepAlives: true}}

				began := time.Now()
				got := sendTo(listener.Addr(), client)(t, signed(t, frustration(), "delivery-1"))
				require.Equal(t, 1500*time.Millisecond, time.Since(began))
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.JSONEq(t, `{"received":false}`, got.body)
				require.NotEmpty(t, got.header.Get("Retry-After"))
				require.Equal(t, http.StatusServiceUnavailable, (<-observed).Status)

				close(release)
				require.NoError(t, hook.Shutdown(t.Context()))
				require.Equal(t, webhook.Handled, (<-observed).Outcome)
				server.Close()
				require.Empty(t, logged.String(), "the server must log nothing, for example no superfluous WriteHeader")
			})
		})
	}
}
