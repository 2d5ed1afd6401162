package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEndpointCheck_RespondsToHEADAndGETOnly(t *testing.T) {
	for _, on := range []bool{false, true} {
		r := newReceiver(t, webhook.Options{RespondToGET: on})
		ping.On(r.Handler, func(context.Context, *Ping) error { panic("run") })
		c := dial(t, listen(t, r))
		for _, method := range []string{"GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE", "get", "GETS"} {
			c.write(method, " /any/path?token=x HTTP/1.1\r\nHost: a\r\nUser-Agent: check\r\n\r\n")
			response, err := http.ReadResponse(c.buf, &http.Request{Method: method})
			require.NoError(t, err)
			read := make([]byte, 100)
			n, _ := response.Body.Read(read)
			if on && (method == "GET" || method == "HEAD") {
				require.Equal(t, http.StatusOK, response.StatusCode, method)
				require.Zero(t, n)
				require.False(t, response.Close, "the connection must stay open")
				continue
			}
			require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, method)
			require.Equal(t, map[bool]string{false: "POST", true: "GET, HEAD, POST"}[on], response.Header.Get("Allow"))
			c = dial(t, c.RemoteAddr().String())
		}
	}
}

// The sender of a check is not authenticated. The response must reveal nothing, and the check must run nothing and log
// nothing.
func TestEndpointCheck_LooksAtNothing(t *testing.T) {
	r := newReceiver(t, webhook.Options{RespondToGET: true, MaxBody: 10, Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
		panic("stored")
	})})
	for range 100 {
		request := r.signed(body("a"))
		request.Method = http.MethodGet
		request.Header.Set("Content-Encoding", "gzip")
		require.Equal(t, http.StatusOK, r.send(request).status)
	}
	require.Equal(t, webhook.ReasonEndpointCheck, r.observations()[0].Reason)
	require.Empty(t, r.observations()[0].ID)
	require.Zero(t, r.log.Count(`"level":"WARN"`))
	require.Less(t, len(r.log.Lines()), 10)
	require.Equal(t, "none", r.keyState("a"))

	e := r.Explain(webhook.Request{Method: http.MethodHead}, time.Time{})
	require.Equal(t, diagnose.None, e.Cause)
	require.Contains(t, e.Text, "RespondToGET")
}

// A body that the handler does not read must not keep the connection open.
func TestEndpointCheck_WithBodyClosesConnection(t *testing.T) {
	r := newReceiver(t, webhook.Options{RespondToGET: true})
	address := listen(t, r)
	for _, head := range []string{"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"} {
		c := dial(t, address)
		c.write("GET / HTTP/1.1\r\nHost: a\r\n", head)
		got := c.readResponse()
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, "close", got.header.Get("Connection"))
		c.requireClosed()
	}
}

// An unsigned POST gets a 401, with and without the option.
func TestEndpointCheck_UnsignedPOSTIsRefused(t *testing.T) {
	for _, on := range []bool{false, true} {
		r := newReceiver(t, webhook.Options{RespondToGET: on})
		result := r.Process(t.Context(), webhook.Request{Method: "POST", Body: strings.NewReader("{}")})
		require.Equal(t, http.StatusUnauthorized, result.Status)
	}
}
