package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// peakMemory returns the peak memory of a process, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(status), "VmHWM:")
	require.True(t, ok)
	var kilobytes int64
	_, err = fmt.Sscan(after, &kilobytes)
	require.NoError(t, err)
	return kilobytes << 10
}

// Unauthenticated senders send bodies above the limit, bodies at the limit, and bodies that stall. Each genuine delivery must get
// a response in time, and must be shown and saved.
func TestListen_StaysBoundedUnderFlood(t *testing.T) {
	const senders, genuine, stalled = 4, 15, 64
	j, url, folder := startListening(t, secrets(), "--web", "--web-addr", "127.0.0.1:0")
	address := url + "/webhooks/workflux"
	escaped := bytes.Repeat([]byte{'<'}, 1<<20) // JSON writes 6 bytes for each
	var over atomic.Bool
	var flood sync.WaitGroup
	defer flood.Wait()
	defer over.Store(true)
	for i := range senders {
		flood.Go(func() {
			for n := i; !over.Load(); n++ {
				var body io.Reader = bytes.NewReader(escaped)
				if n%senders == 0 { // chunked, without Content-Length
					body = io.LimitReader(endless(escaped), 32<<20)
				}
				response, err := http.Post(address, "application/json", body) //nolint:noctx // a test
				if err == nil {                                               // the server may close the connection of a refused body first
					assert.NoError(t, response.Body.Close())
				}
			}
		})
	}
	for range stalled {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) //nolint:noctx // a test
		require.NoError(t, err)
		defer conn.Close() //nolint:errcheck // the listener may have closed it
		flood.Go(func() {  // the listener may stop reading
			_, _ = fmt.Fprintf(conn, "POST /webhooks/workflux HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(escaped), escaped[:len(escaped)-1])
		})
	}

	handled := 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for j.out.Scan() {
			if strings.Contains(j.out.Text(), `"outcome":"handled"`) {
				handled++
			}
		}
	}()
	sent := run(t, "send", "greenflash", "conversation.rating", "--url", url+"/webhooks/greenflash", "--times", fmt.Sprint(genuine),
		"--timeout", kit.Patience.String()).is(t, 0) // the flood uses the processors as well
	memory := peakMemory(t, j.cmd.Process.Pid)
	over.Store(true)
	require.Less(t, memory, int64(600<<20), "peak memory, of which the race detector uses more than half")
	require.NoError(t, sendSignal(j.cmd, os.Interrupt))
	<-ended
	require.Equal(t, 0, j.wait())
	require.Equal(t, genuine, handled)

	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	saved, disk, largest := 0, int64(0), int64(0)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := capture.Parse(text)
		require.NoError(t, err)
		if c.Accepted() {
			saved++
			continue
		}
		disk += int64(len(text))
		largest = max(largest, int64(len(text)))
	}
	require.Equal(t, genuine, saved)
	t.Logf("genuine deliveries:\n%s", sent.out)
	t.Logf("peak memory %d MiB, %d files, %d MiB of them refused, the largest %d KiB", memory>>20, len(files), disk>>20, largest>>10)
	require.Less(t, largest, int64(3<<20))
	require.Less(t, disk, int64(64<<20+3<<20))
}

// An endless reader reads the same bytes again and again.
type endless []byte

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }
