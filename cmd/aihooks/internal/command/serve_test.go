package command

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestServe_FinishesRequestUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		rest     time.Duration // until the rest of the body arrives
		finished bool
	}{
		"in time":  {ending - time.Second, true},
		"too late": {ending + time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := kit.NewPipeListener()
				server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						w.WriteHeader(http.StatusUnauthorized)
					}
				})}
				ctx, interrupt := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- serve(ctx, server, listener) }()
				client, err := listener.Dial()
				require.NoError(t, err)
				defer func() { _ = client.Close() }()
				_, err = io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
				require.NoError(t, err)
				synctest.Wait()

				interrupt()
				synctest.Wait()
				<-listener.Closed() // it accepts no more connections
				defer time.AfterFunc(c.rest, func() { _, _ = io.WriteString(client, "}") }).Stop()
				response, err := http.ReadResponse(bufio.NewReader(client), nil)
				if !c.finished {
					require.Error(t, err)
				} else {
					require.NoError(t, err)
					require.Equal(t, http.StatusUnauthorized, response.StatusCode)
					require.NoError(t, response.Body.Close())
				}
				require.NoError(t, <-ended)
			})
		})
	}
}
