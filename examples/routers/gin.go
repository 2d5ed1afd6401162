package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin mounts the handlers on gin. Middleware that binds the body, for example with ShouldBindJSON, reads it and does not restore it.
// Use such middleware only on a group without webhooks.
func Gin(greenflash, emberqa http.Handler) http.Handler {
	router := gin.New()
	router.POST("/webhooks/greenflash", gin.WrapH(greenflash))
	router.POST("/webhooks/emberqa/:token", gin.WrapH(emberqa))

	api := router.Group("/api", bindsWithGin)
	api.POST("/reviews", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	return router
}

// bindsWithGin is an example of middleware that reads the body.
func bindsWithGin(c *gin.Context) {
	var body map[string]any
	if err := c.ShouldBindJSON(&body); err != nil {
		c.AbortWithStatus(http.StatusBadRequest)
	}
}
