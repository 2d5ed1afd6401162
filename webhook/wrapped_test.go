package webhook_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// A bodyWriter is a ResponseWriter that passes the body through another writer.
type bodyWriter struct {
	http.ResponseWriter
	to io.Writer
}

func (w bodyWriter) Write(b []byte) (int, error) { return w.to.Write(b) }

// A headerWriter is a ResponseWriter that changes headers at the last moment.
type headerWriter struct {
	http.ResponseWriter
	change func(http.Header)
}

func (w headerWriter) WriteHeader(status int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// wrappers has common kinds of middleware.
var wrappers = map[string]func(http.Handler) http.HandlerFunc{
	"gzip": func(h http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			compressed := gzip.NewWriter(w)
			defer compressed.Close()
			h.ServeHTTP(bodyWriter{w, compressed}, q)
		}
	},
	"a line more": func(h http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			h.ServeHTTP(w, q)
			_, _ = io.WriteString(w, "\n")
		}
	},
	"buffered and shortened": func(h http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			var buffered bytes.Buffer
			h.ServeHTTP(bodyWriter{w, &buffered}, q)
			_, _ = w.Write(bytes.TrimSuffix(buffered.Bytes(), []byte("}")))
			_, _ = io.WriteString(w, "}")
		}
	},
	"header values changed in place": func(h http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			h.ServeHTTP(headerWriter{w, func(header http.Header) {
				header["Content-Type"][0] += "; changed"
			}}, q)
		}
	},
}

func TestResponse_SurvivesWrappingWriters(t *testing.T) {
	for name, wrap := range wrappers {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, returns(nil))
			s := httptest.NewServer(wrap(r))
			t.Cleanup(s.Close)
			for range 2 { // handled, duplicate
				for _, signedBody := range [][]byte{body("a"), []byte("forged")} {
					got := r.postTo(s, bytes.NewReader(body("a")), signedBody)
					require.True(t, json.Valid([]byte(got.body)), got.body)
					require.Equal(t, name == "a line more", strings.HasSuffix(got.body, "\n"))
					require.LessOrEqual(t, strings.Count(fmt.Sprint(got.header), "changed"), 1)
				}
			}
		})
	}
}

func TestResponse_SharesNoHeaderValues(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	first := r.Process(t.Context(), webhook.Request{})
	first.Header()["Content-Type"][0] = "text/html"
	require.Equal(t, "application/json", first.Header().Get("Content-Type"))
	require.NotContains(t, first.Header(), "Content-Length", "only net/http may set it")
}
