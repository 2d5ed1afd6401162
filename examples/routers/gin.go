package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin mounts the handlers on gin. Middleware that binds the body, by ShouldBindJSON and the like, reads it and does not
// put it back: have it on a group that the webhooks are not in.
func Gin(greenflash, emberqa http.Handler) http.Handler {
	router := gin.New()
	router.POST("/webhooks/greenflash", gin.WrapH(greenflash))
	router.POST("/webhooks/emberqa/:token", gin.WrapH(emberqa))

	api := router.Group("/api", bindsWithGin)
	api.POST("/reviews", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	return router
}

// bindsWithGin stands for any middleware that reads the body.
func bindsWithGin(c *gin.Context) {
	var body map[string]any
	if err := c.ShouldBindJSON(&body); err != nil {
		c.AbortWithStatus(http.StatusBadRequest)
	}
}
