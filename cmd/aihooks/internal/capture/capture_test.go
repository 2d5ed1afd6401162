package capture_test

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
)

func TestACaptureComesBackByteForByte(t *testing.T) {
	for _, body := range []string{"", "{}", "{\"a\":\"\u202e\u009b\"}\r\n", "\xff\x00 not UTF-8", "<script>&"} {
		c := &capture.Capture{
			Vendor: "workflux", Arrived: time.Now(), Method: "POST", Header: http.Header{"X-A": {"1", "2"}}, Body: []byte(body),
			Type: "../../etc/passwd\x00" + body,
		}
		path, err := c.Save(t.TempDir())
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(text), "\u202e")
		back, err := capture.Parse(text)
		require.NoError(t, err)
		require.Equal(t, body, string(back.Body))
		require.Equal(t, c.Header, back.Header)
	}
}

func TestHeadersThatWereEditedAreFoundByAnyName(t *testing.T) {
	c, err := capture.Parse([]byte(`{"vendor":"greenflash","header":{"x-a":["1"],"X-A":["2"]}}`))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"1", "2"}, c.Header.Values("X-A"))
}

func TestNamesSortByArrivalAlsoWithinAMicrosecond(t *testing.T) {
	folder := t.TempDir()
	var names []string
	for range 12 {
		path, err := (&capture.Capture{Vendor: "workflux", Arrived: time.Unix(1795317067, 0), Type: "a"}).Save(folder)
		require.NoError(t, err)
		names = append(names, path)
	}
	require.True(t, slices.IsSorted(names), "%q", names)
	require.Len(t, slices.Compact(names), 12)
}

func TestURLsAndCredentialsAreNotKept(t *testing.T) {
	h := http.Header{"Authorization": {"a"}, "Cookie": {"a"}, "Referer": {"a"}, "X-Forwarded-Uri": {"a"}, "X-Original-Url": {"a"}, "X-B": {"has se%20cret in it"}, "X-C": {"ok", "se cret"}, "X-D": {"fine"}}
	kept := capture.Header(h, "", " ", "se cret")
	require.Equal(t, http.Header{"X-D": {"fine"}}, kept)
	require.Len(t, h, 8, "the request's own are not touched")
}

func TestGarbageIsNoCapture(t *testing.T) {
	for text, says := range map[string]string{
		"": "is not a capture", "\x00\xff": "is not a capture", "[]": "is not a capture", "null": "names no vendor",
		`{"vendor":"a","body":"x","body_base64":"eA=="}`: "a body and a body_base64", `{"vendor":"a","body_base64":"?"}`: "is not a capture",
	} {
		_, err := capture.Parse([]byte(text))
		require.ErrorContains(t, err, says, text)
	}
}
