package routers

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

// Echo mounts the handlers on echo. The same lines work with v4. Middleware that calls Bind reads the body and does not restore it,
// so use it only on a group without webhooks. BodyDump restores the body, but reads it before the handler's limits apply.
func Echo(greenflash, emberqa http.Handler) http.Handler {
	router := echo.New()
	router.POST("/webhooks/greenflash", echo.WrapHandler(greenflash))
	router.POST("/webhooks/emberqa/:token", echo.WrapHandler(emberqa))

	api := router.Group("/api", bindsWithEcho)
	api.POST("/reviews", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	return router
}

// bindsWithEcho is an example of middleware that reads the body.
func bindsWithEcho(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		var body map[string]any
		if err := c.Bind(&body); err != nil {
			return err
		}
		return next(c)
	}
}
