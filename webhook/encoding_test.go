package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

func TestContentEncoding_UnknownIsLeftToTheMAC(t *testing.T) {
	for _, values := range [][]string{
		{""}, {" "}, {"identity"}, {"Identity"}, {" identity "}, {"identity, identity"}, {"identity", ""}, {","},
		{"UTF-8"}, {"utf-8"}, {"none"}, {"None"}, {"null"}, {"7bit"}, {"base64"}, {"aws-chunked"}, {"application/json"},
		{"gzipped"}, {"notgzip"}, {"*"},
	} {
		for _, way := range []string{"ServeHTTP", "Process"} {
			r := newReceiver(t, webhook.Options{})
			r.onSocket = way == "ServeHTTP"
			ping.On(r.Handler, returns(nil))
			request := r.signed(body("a"))
			request.Header["Content-Encoding"] = values
			require.Equal(t, http.StatusOK, r.send(request).status, "%q", values)

			forged := r.signed([]byte("another"))
			forged.Body = r.signed(body("b")).Body
			forged.ContentLength = int64(len(body("b")))
			forged.Header["Content-Encoding"] = values
			require.Equal(t, http.StatusUnauthorized, r.send(forged).status, "%q", values)
			require.Equal(t, "completed", r.keyState("a"), "the header must not change the key")
		}
	}
}

func TestContentEncoding_RealIsRefusedAndExplained(t *testing.T) {
	for value, coding := range map[string]string{
		"gzip": "gzip", "GZIP": "gzip", "x-gzip": "x-gzip", "br": "br", "deflate": "deflate", "zstd": "zstd", "compress": "compress",
		"x-compress": "x-compress", "dcb": "dcb", "exi": "exi", "pack200-gzip": "pack200-gzip", " gzip ": "gzip", "identity, gzip": "gzip", "UTF-8,br": "br", "gzip;q=1": "gzip", "gzip ; q=1": "gzip",
		"aes128gcm": "aes128gcm", "dcz": "dcz", "gzip,gzip": "gzip", "\tzstd": "zstd",
	} {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		request := r.signed(body("a"))
		request.Header.Set("Content-Encoding", value)
		require.Equal(t, http.StatusUnsupportedMediaType, r.send(request).status, "%q", value)
		cause, text := r.lastLine()
		require.Equal(t, "content_encoding", cause)
		require.Contains(t, text, "Content-Encoding "+coding+",")

		explained := r.request(body("a"))
		explained.Header.Set("Content-Encoding", value)
		require.Equal(t, text, r.Explain(explained, time.Time{}).Text)
	}
}
