package routers_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/examples/routers"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook"
)

type requestID struct{}

// dump returns all data that a callback has of its delivery.
func dump(ctx context.Context, e *greenflash.ConversationFrustration) string {
	d := e.Delivery()
	return fmt.Sprint(ctx.Value(requestID{}), " ", d.ID, " ", d.Header, " ", d.Keys, " ", d.SignedBy, " ", d.Form, " ", e.ID, " ", string(d.Body))
}

// fasthttp reuses the memory of a request for the next request of the connection.
func TestACallbackThatOverrunsSeesItsOwnDeliveryAfterItsRequestWasRecycled(t *testing.T) {
	for name, mount := range map[string]func(*fiber.App, *greenflash.Handler){
		"fiber":           func(app *fiber.App, h *greenflash.Handler) { app.Post(greenflashPath, routers.FromFiber(h.Handler)) },
		"fiber's adaptor": func(app *fiber.App, h *greenflash.Handler) { app.Post(greenflashPath, routers.Adapted(h)) },
	} {
		t.Run(name, func(t *testing.T) {
			hook, err := greenflash.NewHandler(secret, &webhook.Options{ResponseTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			first, last, release := make(chan string, 1), make(chan string, 1), make(chan struct{})
			hook.OnConversationFrustration(func(ctx context.Context, e *greenflash.ConversationFrustration) error {
				seen := dump(ctx, e)
				first <- seen
				for {
					select {
					case <-release:
						last <- dump(ctx, e)
						return nil
					default: // read repeatedly, for the race detector
						if now := dump(ctx, e); now != seen {
							last <- now
							return nil
						}
						time.Sleep(time.Millisecond)
					}
				}
			})
			app := fiber.New()
			app.Use(func(c fiber.Ctx) error {
				id := strings.Clone(c.Get("X-Greenflash-Delivery"))
				c.SetContext(context.WithValue(c.Context(), requestID{}, id))
				c.RequestCtx().SetUserValue(requestID{}, id) // the value of the wrong context
				return c.Next()
			})
			mount(app, hook)
			send := serveFiber(t, app)

			require.Equal(t, http.StatusServiceUnavailable, send(t, signed(t, frustration(), "delivery-that-overruns")).status)
			for i := range 100 {
				other := signed(t, []byte(strings.Repeat("-", len(frustration()))), fmt.Sprintf("delivery-of-later-%04d", i))
				other.Header.Set("X-Greenflash-Signature", strings.Repeat("ab", 32))
				require.Equal(t, http.StatusUnauthorized, send(t, other).status)
			}
			close(release)
			seen := <-first
			require.Contains(t, seen, "delivery-that-overruns delivery-that-overruns map[X-Greenflash-Delivery:[delivery-that-overruns]")
			require.Equal(t, seen, <-last)
			require.NoError(t, hook.Shutdown(t.Context()))
		})
	}
}
