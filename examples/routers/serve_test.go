package routers_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/examples/routers"
)

// A send sends a request to a router and returns the response.
type send func(*testing.T, *http.Request) response

// mounts are all ways to mount the handlers. get is the status of a GET, which comes from the router if there is one.
var mounts = []struct {
	name  string
	mount func(*testing.T, *receiver) send
	get   int

	// lastWins means that the handler gets only the last value of a repeated header.
	lastWins bool
}{
	{name: "net/http", get: http.StatusMethodNotAllowed, mount: func(t *testing.T, r *receiver) send {
		return serve(t, routers.NetHTTP(r.greenflash, r.emberqa))
	}},
	{name: "chi", get: http.StatusMethodNotAllowed, mount: func(t *testing.T, r *receiver) send {
		return serve(t, routers.Chi(r.greenflash, r.emberqa))
	}},
	{name: "gin", get: http.StatusNotFound, mount: func(t *testing.T, r *receiver) send {
		return serve(t, routers.Gin(r.greenflash, r.emberqa))
	}},
	{name: "echo", get: http.StatusMethodNotAllowed, mount: func(t *testing.T, r *receiver) send {
		return serve(t, routers.Echo(r.greenflash, r.emberqa))
	}},
	{name: "fiber", get: http.StatusMethodNotAllowed, mount: func(t *testing.T, r *receiver) send {
		return serveFiber(t, routers.Fiber(r.greenflash.Handler, r.emberqa.Handler))
	}},
	{name: "fiber's adaptor", get: http.StatusMethodNotAllowed, lastWins: true, mount: func(t *testing.T, r *receiver) send {
		return serveFiber(t, routers.AdaptedForFiber(r.greenflash, r.emberqa))
	}},
	{name: "lambda, REST API", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeREST(routers.LambdaREST(r.greenflash.Handler), routers.LambdaREST(r.emberqa.Handler), false)
	}},
	{name: "lambda, REST API, base64", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeREST(routers.LambdaREST(r.greenflash.Handler), routers.LambdaREST(r.emberqa.Handler), true)
	}},
	{name: "lambda, HTTP API, format 1.0", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeHTTP1(routers.LambdaREST(r.greenflash.Handler), routers.LambdaREST(r.emberqa.Handler))
	}},
	{name: "lambda, load balancer", get: http.StatusMethodNotAllowed, lastWins: true, mount: func(_ *testing.T, r *receiver) send {
		return invokeALB(routers.LambdaALB(r.greenflash.Handler), routers.LambdaALB(r.emberqa.Handler), false)
	}},
	{name: "lambda, load balancer, multi-value headers", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeALB(routers.LambdaALB(r.greenflash.Handler), routers.LambdaALB(r.emberqa.Handler), true)
	}},
	{name: "lambda, HTTP API", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeHTTP(routers.LambdaHTTP(r.greenflash.Handler), routers.LambdaHTTP(r.emberqa.Handler), httpEvent, false)
	}},
	{name: "lambda, HTTP API, base64", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeHTTP(routers.LambdaHTTP(r.greenflash.Handler), routers.LambdaHTTP(r.emberqa.Handler), httpEvent, true)
	}},
	{name: "lambda, function URL", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeHTTP(routers.LambdaURL(r.greenflash.Handler), routers.LambdaURL(r.emberqa.Handler), urlEvent, false)
	}},
	{name: "lambda, function URL, base64", get: http.StatusMethodNotAllowed, mount: func(_ *testing.T, r *receiver) send {
		return invokeHTTP(routers.LambdaURL(r.greenflash.Handler), routers.LambdaURL(r.emberqa.Handler), urlEvent, true)
	}},
}

// serve serves h with net/http on loopback.
func serve(t *testing.T, h http.Handler) send {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return sendTo(server.Listener.Addr(), server.Client())
}

// serveFiber serves the app with fasthttp on loopback.
func serveFiber(t *testing.T, app *fiber.App) send {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	transport := &http.Transport{MaxConnsPerHost: 1}
	t.Cleanup(func() {
		transport.CloseIdleConnections() // the server waits for idle connections
		require.NoError(t, app.Shutdown())
		require.NoError(t, <-done)
	})
	return sendTo(listener.Addr(), &http.Client{Transport: transport})
}

func sendTo(address net.Addr, client *http.Client) send {
	return func(t *testing.T, r *http.Request) response {
		r = r.Clone(t.Context())
		r.URL.Host = address.String()
		if r.GetBody != nil {
			body, err := r.GetBody()
			require.NoError(t, err)
			r.Body = body
		}
		got, err := client.Do(r)
		require.NoError(t, err)
		defer got.Body.Close()
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return response{got.StatusCode, got.Header, string(body)}
	}
}
