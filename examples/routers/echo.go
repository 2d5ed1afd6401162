package routers

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

// Echo mounts the handlers on echo; v4 takes the same lines. Middleware that calls Bind reads the body and does not put it
// back: have it on a group that the webhooks are not in. BodyDump does put it back, but reads it, up to limits of its own,
// before the handler's limits are asked.
func Echo(greenflash, emberqa http.Handler) http.Handler {
	router := echo.New()
	router.POST("/webhooks/greenflash", echo.WrapHandler(greenflash))
	router.POST("/webhooks/emberqa/:token", echo.WrapHandler(emberqa))

	api := router.Group("/api", bindsWithEcho)
	api.POST("/reviews", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	return router
}

// bindsWithEcho stands for any middleware that reads the body.
func bindsWithEcho(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		var body map[string]any
		if err := c.Bind(&body); err != nil {
			return err
		}
		return next(c)
	}
}
