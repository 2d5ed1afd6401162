package command

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
)

// reencode returns a proxy that parses JSON and writes it again by encode.
func reencode(h http.Handler, encode func(any) []byte) http.Handler {
	return rewrite(h, func(_ *http.Request, body []byte) []byte {
		var v any
		if json.Unmarshal(body, &v) != nil {
			return body
		}
		return encode(v)
	})
}

func rewrite(h http.Handler, change func(r *http.Request, body []byte) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		body = change(r, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		h.ServeHTTP(w, r)
	})
}

func compact(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// spaced writes JSON with a space after each colon and comma outside strings, like Python's json.dumps.
func spaced(v any) []byte {
	text := strings.ReplaceAll(string(compact(v)), `":`, `": `)
	return []byte(strings.ReplaceAll(text, `,"`, `, "`))
}

func gzipped(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// verifying returns a handler that verifies WorkFlux's signature, and accepts the times that fresh accepts.
func verifying(t *testing.T, fresh func(time.Time) bool) http.Handler {
	t.Helper()
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	keys, err := signature.NewKeyring(*v.Profile.Scheme, signature.NewKey("default", doctorSecret))
	require.NoError(t, err)
	verifier, err := signature.NewVerifier(*v.Profile.Scheme)
	require.NoError(t, err)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		envelope, envelopeErr := v.Profile.ReadEnvelope(body)
		_, verifyErr := verifier.Verify(keys, r.Header, body)
		if err != nil || envelopeErr != nil || verifyErr != nil || v.Profile.Documents(envelope.Type) && !fresh(envelope.Time) || time.Until(envelope.Time) > 0 && !fresh(envelope.Time) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

func status(code int, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	})
}

// latin1 replaces the characters that Latin-1 does not have.
func latin1(c rune) rune {
	if c > 0xff {
		return '?'
	}
	return c
}

// clockAhead returns a proxy whose clock is ahead.
func clockAhead(ahead time.Duration) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			h.ServeHTTP(w, r)
		})
	}
}
