package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestWebServer_KeepsStreamsPastTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		a := &app{Terminal: Terminal{Out: io.Discard, Err: io.Discard}}
		ring := live.New(live.Options{})
		listener := kit.NewPipeListener()
		web, err := a.newWebServer(ctx, ring, nil, listener, []string{"page.test"})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- web.serve() }()
		client, err := listener.Dial()
		require.NoError(t, err)
		defer func() { _ = client.Close() }()
		reader := bufio.NewReader(client)
		_, err = fmt.Fprintf(client, "GET %s HTTP/1.1\r\nHost: page.test\r\n\r\n", strings.TrimPrefix(web.urls[0], "http://pipe"))
		require.NoError(t, err)
		opened, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		cookie := opened.Cookies()[0]
		_, err = fmt.Fprintf(client, "GET %sapi/events HTTP/1.1\r\nHost: page.test\r\nCookie: %s=%s\r\n\r\n", cookie.Path, cookie.Name, cookie.Value)
		require.NoError(t, err)

		defer time.AfterFunc(5*time.Minute, func() { ring.Add(page.Detail{}) }).Stop()
		lines := bufio.NewScanner(reader)
		for lines.Scan() && !strings.Contains(lines.Text(), "event: change") {
		}
		require.Equal(t, "event: change", lines.Text(), "the stream ended: %v", lines.Err())
		interrupt()
		_, _ = io.Copy(io.Discard, client)
		require.NoError(t, <-ended)
	})
}

func TestServers_LimitRequests(t *testing.T) {
	listener := kit.NewPipeListener()
	a := &app{Terminal: Terminal{Out: io.Discard, Err: io.Discard}}
	web, err := a.newWebServer(t.Context(), live.New(live.Options{}), nil, listener, nil)
	require.NoError(t, err)
	require.NotZero(t, web.server.ReadHeaderTimeout)
	require.NotZero(t, web.server.ReadTimeout)
	require.NotZero(t, web.server.IdleTimeout)
	require.NotZero(t, web.server.MaxHeaderBytes)
}
