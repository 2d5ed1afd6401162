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

// Fiber mounts the handlers on fiber. Fiber reads the whole body before it calls a handler. Therefore, fiber's ReadTimeout, which has
// no default, limits slow bodies, and its BodyLimit of 4 MiB limits the memory.
func Fiber(greenflash, emberqa *webhook.Handler) *fiber.App {
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Post("/webhooks/greenflash", FromFiber(greenflash))
	app.Post("/webhooks/emberqa/:token", FromFiber(emberqa))
	return app
}

// FromFiber passes a request of fiber to the handler. Fiber reuses the memory of a request after the response, and a callback may
// still run then. So FromFiber passes c.Context(), which is c.UserContext() in v2. Never pass c or fasthttp's context, whose values
// would be those of a later request. The body and the headers need no copy, because the handler makes one. BodyRaw returns the body
// as it was sent, and Body would decode it.
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

// AdaptedForFiber mounts the handlers through fiber's adaptor, which accepts any http.Handler, also one with middleware for net/http.
// If a header comes twice, the adaptor keeps only the last value. With FromFiber, the handler refuses such a signature.
func AdaptedForFiber(greenflash, emberqa http.Handler) *fiber.App {
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Post("/webhooks/greenflash", Adapted(greenflash))
	app.Post("/webhooks/emberqa/:token", Adapted(emberqa))
	return app
}

// Adapted adapts a handler, and replaces the context that the adaptor passes. That context is fasthttp's, which a later request
// reuses while the callback may still read its values.
func Adapted(hook http.Handler) fiber.Handler {
	return adaptor.HTTPHandlerWithContext(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, _ := adaptor.LocalContextFromHTTPRequest(r)
		hook.ServeHTTP(w, r.WithContext(ctx))
	}))
}
