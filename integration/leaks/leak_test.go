package leaks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := findLeaks(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// findLeaks waits until goleak finds nothing. A busy machine needs longer than the half second of goleak.
func findLeaks() (err error) {
	for began := time.Now(); time.Since(began) < kit.Patience; {
		if err = goleak.Find(); err == nil {
			break
		}
	}
	return err
}

// TestHandler_LeaksNoGoroutine runs callbacks that succeed, fail, panic, end their goroutine, outlast the response or ignore
// their context, with a sender that stalls. It then shuts everything down.
func TestHandler_LeaksNoGoroutine(t *testing.T) {
	for _, v := range vendortest.All() {
		t.Run(v.Name(), func(t *testing.T) {
			defer func() { require.NoError(t, findLeaks()) }()
			release := make(chan struct{})
			h, err := v.New(&webhook.Options{
				Logger:          slog.New(slog.DiscardHandler),
				ResponseTimeout: 100 * time.Millisecond,
				BodyTimeout:     100 * time.Millisecond,
				// Only Shutdown cancels the callbacks, not a timeout.
				CallbackTimeout: time.Hour,
			})
			require.NoError(t, err)
			n := 0
			var mu sync.Mutex
			h.OnUnhandled(func(ctx context.Context, _ *webhook.Delivery) error {
				mu.Lock()
				n++
				way := n % 6
				mu.Unlock()
				switch way {
				case 0:
					panic("on purpose")
				case 1:
					runtime.Goexit()
				case 2:
					return errors.New("on purpose")
				case 3:
					<-ctx.Done()
				case 4:
					<-release
				}
				return nil
			})
			server := httptest.NewServer(h)
			client := server.Client()
			sender := v.Signer()
			sender.URL = strings.Replace(sender.URL, "http://receiver.test", server.URL, 1)
			for i := range 24 {
				id := strings.Repeat("x", i+1)
				body := sender.Name(sender.Stamp(v.Samples[0].Body, time.Now().Add(-time.Duration(i)*time.Second)), id)
				r, err := sender.Request(body, time.Now(), id)
				require.NoError(t, err)
				if response, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					require.NoError(t, response.Body.Close())
				}
			}
			stall(t, server.Listener.Addr().String())

			server.Close()
			close(release)
			kit.Eventually(t, func() bool {
				cut, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				return h.Shutdown(cut) == nil // a busy machine needs longer than the second that Shutdown waits after ctx
			}, "Shutdown must cancel callbacks that wait for their context")
			client.CloseIdleConnections()
		})
	}
}

// stall sends the beginning of a request.
func stall(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: receiver.test\r\nContent-Length: 10\r\n\r\n{")
	require.NoError(t, err)
	response, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(response), http.StatusText(http.StatusServiceUnavailable))
}
