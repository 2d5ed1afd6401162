package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
)

const secret = "secret-of-the-tests-0123456789"

// newTestServer returns a listenServer for WorkFlux that records nothing yet, its output and its notes.
func newTestServer(t *testing.T) (d *listenServer, out, notes *bytes.Buffer) {
	t.Helper()
	out, notes = new(bytes.Buffer), new(bytes.Buffer)
	env := func(string) (string, bool) { return secret, true }
	a := &app{Terminal: Terminal{Out: out, Err: notes, Env: env}, json: true}
	d = a.newListenServer(&listenOptions{folder: filepath.Join(t.TempDir(), "saved")}, "http://127.0.0.1:1")
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	_, err = d.mount(v)
	require.NoError(t, err)
	return d, out, notes
}

// deliver sends a delivery to the server, and returns the status of the response.
func deliver(t *testing.T, d *listenServer, genuine bool, body string) int {
	t.Helper()
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	key := randomKey()
	if genuine {
		key = signature.Key{Name: "test", Secret: signature.NewSecret(secret)}
	}
	address, now, id := d.base+"/webhooks/workflux", time.Now(), newID()
	sign := v.Signer(address, key)
	r, err := sign.Request(sign.Stamp(sign.Unique([]byte(body), id), now), now, id)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Code
}

func event(size int) string {
	return fmt.Sprintf(`{"event":"user.message","timestamp":"2026-11-20T12:00:00Z","data":{"message_id":"m","content":%q}}`, strings.Repeat("x", size))
}

// outcomes counts the shown deliveries by outcome.
func outcomes(t *testing.T, out *bytes.Buffer) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for text := range strings.Lines(out.String()) {
		var shown struct{ Outcome string }
		require.NoError(t, json.Unmarshal([]byte(text), &shown))
		counts[shown.Outcome]++
	}
	return counts
}

func TestListenServer_RespondsBeforeItRecords(t *testing.T) {
	d, out, _ := newTestServer(t)
	require.Equal(t, http.StatusUnauthorized, deliver(t, d, false, event(1<<19)))
	require.Equal(t, http.StatusOK, deliver(t, d, true, event(10)))
	require.Empty(t, out.String())
	require.NoDirExists(t, d.options.folder)
	go d.record()
	d.finish()
	require.Equal(t, map[string]int{"unauthenticated": 1, "handled": 1}, outcomes(t, out))
	files, err := os.ReadDir(d.options.folder)
	require.NoError(t, err)
	require.Len(t, files, 2)
}

// While nothing is recorded, refused deliveries may fill only a part of the backlog. Genuine deliveries get the rest.
func TestListenServer_KeepsBacklogBounded(t *testing.T) {
	for name, size := range map[string]int{"large": 1 << 19, "small": 10} {
		t.Run(name, func(t *testing.T) {
			d, out, notes := newTestServer(t)
			refused := maxRefusedBacklog/max(size, block) + 2
			for range refused {
				require.Equal(t, http.StatusUnauthorized, deliver(t, d, false, event(size)))
			}
			require.LessOrEqual(t, d.backlog.size.Load(), int64(maxRefusedBacklog))
			kept := len(d.backlog.records)
			require.Less(t, kept, refused)
			for range 5 {
				require.Equal(t, http.StatusOK, deliver(t, d, true, event(size)))
			}
			d.options.noSave = true
			go d.record()
			d.finish()
			require.Equal(t, map[string]int{"unauthenticated": kept, "handled": 5}, outcomes(t, out))
			require.Contains(t, notes.String(), fmt.Sprintf("arrived too fast: %d were not shown or saved\n", refused-kept))
			require.Zero(t, d.backlog.size.Load())
		})
	}
}

func TestListenServer_KeepsDiskBounded(t *testing.T) {
	d, out, notes := newTestServer(t)
	d.saved[false], d.saved[true] = maxRefusedSaved-1, maxSaved-1-block // like after many deliveries
	for range 3 {
		deliver(t, d, false, event(10))
		deliver(t, d, true, event(10))
	}
	go d.record()
	d.finish()
	require.Equal(t, map[string]int{"unauthenticated": 3, "handled": 3}, outcomes(t, out), "all deliveries must be shown")
	files, err := os.ReadDir(d.options.folder)
	require.NoError(t, err)
	require.Len(t, files, 3, "one refused and two accepted deliveries are saved")
	require.Equal(t, 1, strings.Count(notes.String(), "64 MiB of refused deliveries are saved"))
	require.Equal(t, 1, strings.Count(notes.String(), "1024 MiB of accepted deliveries are saved"))
}
