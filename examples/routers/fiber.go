package routers

import (
	"bytes"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/aihooks/aihooks-go/webhook"
)

// Fiber mounts the handlers on fiber. It reads the whole body before it calls anyone, so it is fiber's ReadTimeout, which
// has no default, that ends a slow one, and its BodyLimit, 4 MiB, that bounds the memory.
func Fiber(greenflash, emberqa *webhook.Handler) *fiber.App {
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Post("/webhooks/greenflash", FromFiber(greenflash))
	app.Post("/webhooks/emberqa/:token", FromFiber(emberqa))
	return app
}

// FromFiber gives what fiber has received to the handler. Fiber uses the memory of a request again once it has been
// answered; a callback may go on after that. So the context is c.Context(), in v2 c.UserContext(): never c itself nor
// fasthttp's, whose values would be those of a later request. Body and headers need no copy: the handler keeps none but
// its own. BodyRaw is what was sent; Body would decode it.
func FromFiber(hook *webhook.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		target, err := url.ParseRequestURI(c.OriginalURL())
		if err != nil {
			return fiber.ErrBadRequest
		}
		result := hook.Process(c.Context(), webhook.Request{
			Method: c.Method(),
			URL:    target,
			Header: c.GetReqHeaders(),
			Body:   bytes.NewReader(c.BodyRaw()),
		})
		for name, values := range result.Header() {
			c.Set(name, values[0])
		}
		return c.Status(result.Status).Send(result.Body)
	}
}

// AdaptedForFiber mounts the handlers on fiber through its adaptor, which takes any http.Handler: also the vendors', or one
// that is wrapped in middleware for net/http. Of a header that comes twice the adaptor keeps the last, where FromFiber has
// the handler refuse it.
func AdaptedForFiber(greenflash, emberqa http.Handler) *fiber.App {
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Post("/webhooks/greenflash", Adapted(greenflash))
	app.Post("/webhooks/emberqa/:token", Adapted(emberqa))
	return app
}

// Adapted replaces the context that the adaptor would give to the handler: fasthttp's, which is used again for a later
// request while the callback may still ask it for values.
func Adapted(hook http.Handler) fiber.Handler {
	return adaptor.HTTPHandlerWithContext(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, _ := adaptor.LocalContextFromHTTPRequest(r)
		hook.ServeHTTP(w, r.WithContext(ctx))
	}))
}
