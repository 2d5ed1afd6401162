package routers

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Chi mounts the handlers on chi.
func Chi(greenflash, emberqa http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Method(http.MethodPost, "/webhooks/greenflash", greenflash)
	router.Method(http.MethodPost, "/webhooks/emberqa/{token}", emberqa)
	return router
}
