package routers

import "net/http"

// NetHTTP mounts the handlers on the standard library's router.
func NetHTTP(greenflash, emberqa http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/greenflash", greenflash)
	mux.Handle("POST /webhooks/emberqa/{token}", emberqa)
	return mux
}
