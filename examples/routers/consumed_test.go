package routers_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
)

// readBefore has routers with middleware that reads the body before the handler, which is wrong.
var readBefore = map[string]func(http.Handler) http.Handler{
	"gin": func(hook http.Handler) http.Handler {
		router := gin.New()
		router.Use(func(c *gin.Context) {
			var body map[string]any
			if err := c.ShouldBindJSON(&body); err != nil {
				c.AbortWithStatus(http.StatusBadRequest)
			}
		})
		router.POST(greenflashPath, gin.WrapH(hook))
		return router
	},
	"echo": func(hook http.Handler) http.Handler {
		router := echo.New()
		router.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				var body map[string]any
				if err := c.Bind(&body); err != nil {
					return err
				}
				return next(c)
			}
		})
		router.POST(greenflashPath, echo.WrapHandler(hook))
		return router
	},
}

func TestExplain_ReportsConsumedBody(t *testing.T) {
	for name, mount := range readBefore {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			got := serve(t, mount(r.greenflash))(t, signed(t, frustration(), "delivery-1"))
			require.Equal(t, http.StatusServiceUnavailable, got.status)
			require.Zero(t, r.ran())
			line := onlyLine(t, &r.log)
			require.Equal(t, "rejected", line["outcome"])
			require.Equal(t, "body_length", line["reason"])
			require.Equal(t, "body_empty", line["cause"])
			require.Contains(t, line["explanation"], "something read it before the handler")
		})
		t.Run(name+", without Content-Length", func(t *testing.T) {
			r := newReceiver(t, nil)
			request := signed(t, frustration(), "delivery-1")
			request.ContentLength = -1
			got := serve(t, mount(r.greenflash))(t, request)
			require.Equal(t, http.StatusUnauthorized, got.status)
			require.Zero(t, r.ran())
			line := onlyLine(t, &r.log)
			require.Equal(t, "unauthenticated", line["outcome"])
			require.Equal(t, "body_empty", line["cause"])
			require.Contains(t, line["explanation"], "something read it before the handler")
		})
		t.Run(name+", Explain instead of the handler", func(t *testing.T) {
			r := newReceiver(t, nil)
			var told diagnose.Explanation
			explain := http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
				told = r.greenflash.Explain(webhook.Request{
					Method: request.Method, URL: request.URL, Header: request.Header,
					Body: request.Body, ContentLength: request.ContentLength,
				}, time.Now())
			})
			serve(t, mount(explain))(t, signed(t, frustration(), "delivery-1"))
			require.Equal(t, diagnose.BodyEmpty, told.Cause)
			require.Contains(t, told.Text, "something read it before the handler")

			serve(t, explain)(t, signed(t, frustration(), "delivery-1"))
			require.Equal(t, diagnose.None, told.Cause)
		})
	}
}

func TestBodyDump_RestoresBody(t *testing.T) {
	r := newReceiver(t, nil)
	var dumped []byte
	router := echo.New()
	router.Use(middleware.BodyDump(func(_ *echo.Context, body, _ []byte, _ error) { dumped = bytes.Clone(body) }))
	router.POST(greenflashPath, echo.WrapHandler(r.greenflash))
	require.Equal(t, http.StatusOK, serve(t, router)(t, signed(t, frustration(), "delivery-1")).status)
	require.Equal(t, frustration(), dumped)
	require.Equal(t, 1, r.ran())
}

// The mounts use binding middleware correctly, on a separate group without webhooks.
func TestBinding_WorksNextToWebhooks(t *testing.T) {
	for _, m := range mounts {
		if m.name != "gin" && m.name != "echo" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			send := m.mount(t, r)
			review := signed(t, []byte(`{"stars":5}`), "")
			review.URL.Path = "/api/reviews"
			require.Equal(t, http.StatusNoContent, send(t, review).status)
			review.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(`{"stars":`))), nil }
			review.ContentLength = -1
			require.Equal(t, http.StatusBadRequest, send(t, review).status)
			require.Equal(t, http.StatusOK, send(t, signed(t, frustration(), "delivery-1")).status)
			require.Equal(t, 1, r.ran())
		})
	}
}
