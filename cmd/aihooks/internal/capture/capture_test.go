package capture_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
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

func TestSave_IsBoundedByBody(t *testing.T) {
	for _, unit := range []string{"<", "&", "\x01", "\u0085", "\u202e", "\U000e0041", "\xff", `"`, "\\", "x", "ü"} {
		body := strings.Repeat(unit, 1<<16/len(unit))
		c := &capture.Capture{Vendor: "workflux", Arrived: time.Now(), Method: "POST", Header: http.Header{}, Body: []byte(body)}
		path, err := c.Save(t.TempDir())
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), 2*len(body)+8<<10, "%q", unit)
		back, err := capture.Parse(text)
		require.NoError(t, err)
		require.Equal(t, body, string(back.Body))
	}
}

func TestAccepted_NeedsOutcome(t *testing.T) {
	for c, want := range map[[2]string]bool{
		{"handled", ""}: true, {"duplicate", ""}: true, {"duplicate", "other_content"}: true, {"unhandled", "no_callback"}: true, {"ignored", ""}: true,
		{"", ""}: false, {"unverified", ""}: false, {"unauthenticated", "signature_mismatch"}: false, {"rejected", "stale"}: false, {"rejected", "future"}: false,
		{"rejected", "no_json_object"}: false, {"rejected", "method"}: false, {"rejected", "content_encoding"}: false, {"ok", ""}: false,
		{"ignored", "endpoint_check"}: false, {"in_flight", "overrun_last_attempt"}: false, {"failed", ""}: false, {"unhandled", "stale"}: false, {"unhandled", "no_time"}: false,
	} {
		require.Equal(t, want, (&capture.Capture{Outcome: c[0], Reason: c[1], Status: 200}).Accepted(), "%q", c)
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
	require.Len(t, h, 8, "the headers of the request must not change")
}

func TestGarbageIsNoCapture(t *testing.T) {
	for text, says := range map[string]string{
		"": "is not a capture", "\x00\xff": "is not a capture", "[]": "is not a capture", "null": "has no vendor",
		`{"vendor":"a","body":"x","body_base64":"eA=="}`: "a body and a body_base64", `{"vendor":"a","body_base64":"?"}`: "is not a capture",
	} {
		_, err := capture.Parse([]byte(text))
		require.ErrorContains(t, err, says, text)
	}
}
