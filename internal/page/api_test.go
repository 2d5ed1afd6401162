package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

func get[T any](t *testing.T, address string) (T, int) {
	t.Helper()
	response := pagekit.Send(t, "GET", address, "")
	var v T
	require.NoError(t, json.NewDecoder(response.Body).Decode(&v))
	return v, response.StatusCode
}

type detail struct {
	Header [][2]string
	Body   []byte
	Size   int
	JSON   bool
	Error  string
}

func TestItems_TruncateLongBodies(t *testing.T) {
	ring := live.New(live.Options{})
	body := []byte(`"` + strings.Repeat("ß", 300<<10) + `"`)
	address := pagekit.Serve(t, ring, page.Options{})
	id := ring.Add(page.Detail{Body: body})
	d, _ := get[detail](t, address+"/api/items/"+id)
	require.Equal(t, len(body), d.Size)
	require.True(t, d.JSON, "JSON must describe the whole body")
	require.LessOrEqual(t, len(d.Body), 200<<10)
	require.Equal(t, `"`+strings.Repeat("ß", (len(d.Body)-1)/2), string(d.Body), "the preview must end between characters")
	response := pagekit.Send(t, "GET", address+"/api/items/"+id+"/body", "")
	whole, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, body, whole)
	require.Equal(t, "application/octet-stream", response.Header.Get("Content-Type"))
	require.Contains(t, response.Header.Get("Content-Disposition"), "attachment")
}

func TestItems_TruncateLongTexts(t *testing.T) {
	ring := live.New(live.Options{})
	address := pagekit.Serve(t, ring, page.Options{})
	long := strings.Repeat("ü", 1<<20)
	id := ring.Add(page.Detail{Item: page.Item{Type: long, Error: long, Reason: "\xff"}, Header: http.Header{"X": {long}}})
	response := pagekit.Send(t, "GET", address+"/api/items", "")
	list, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Less(t, len(list), 2000)
	d, _ := get[detail](t, address+"/api/items/"+id)
	require.Len(t, d.Header, 1)
	require.Less(t, len(d.Header[0][1]), 17<<10)
	require.True(t, strings.HasSuffix(d.Header[0][1], "ü…"))
}

func TestItems_Respond404WhenMissing(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{})
	for _, path := range []string{"/api/items/99", "/api/items/99/body", "/api/items/99/curl"} {
		d, status := get[detail](t, address+path)
		require.Equal(t, 404, status, path)
		require.Equal(t, page.ErrNotFound.Error(), d.Error)
	}
	require.Equal(t, 404, pagekit.Send(t, "GET", address+"/doc.go", "").StatusCode)
	require.Equal(t, 404, pagekit.Send(t, "GET", address+"/assets/", "").StatusCode)
}

// A broken source returns an error from every method.
type broken struct{}

var errBroken = errors.New("the disk is down")

func (broken) Overview(context.Context) (page.Overview, error)     { return page.Overview{}, errBroken }
func (broken) List(context.Context, page.Query) (page.List, error) { return page.List{}, errBroken }
func (broken) Detail(context.Context, string) (page.Detail, error) { return page.Detail{}, errBroken }
func (broken) Act(context.Context, string, string) (string, error) { return "", errBroken }
func (broken) Watch(context.Context) <-chan struct{}               { return nil }

func TestItems_ReportSourceErrors(t *testing.T) {
	var log strings.Builder
	address := pagekit.Serve(t, broken{}, page.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	d, status := get[detail](t, address+"/api/items")
	require.Equal(t, 500, status)
	require.Equal(t, "the disk is down", d.Error)
	response := pagekit.Send(t, "POST", address+"/api/items/1/actions/retry", "{}", "Content-Type", "application/json")
	require.Equal(t, 409, response.StatusCode)
	require.Contains(t, log.String(), "the disk is down")
}

func TestStream_NotifiesOfChanges(t *testing.T) {
	ring := live.New(live.Options{})
	address := pagekit.Serve(t, ring, page.Options{})
	response := pagekit.Send(t, "GET", address+"/api/events", "")
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	next := func(prefix string) string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return text
			}
		}
		require.FailNow(t, "the stream ended", "%v", lines.Err())
		return ""
	}
	require.Equal(t, "1000", next("retry: "))
	require.Equal(t, "hello", next("event: "))
	for range 100 {
		ring.Add(page.Detail{})
	}
	require.Equal(t, "change", next("event: "))
}

func TestStream_LimitsConnections(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{})
	for i := range 65 {
		want := 200
		if i == 64 {
			want = 503
		}
		require.Equal(t, want, pagekit.Send(t, "GET", address+"/api/events", "").StatusCode)
	}
}
