package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	fastjson "github.com/go-json-experiment/json"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The names of the handlers.
const (
	empty        = "empty handler"
	competent    = "by hand"
	best         = "best by hand"
	ours         = "aihooks"
	oursFast     = "aihooks, go-json-experiment"
	oursOtel     = "aihooks, OpenTelemetry"
	sqliteByHand = "by hand, insert into SQLite"
	sqliteOurs   = "aihooks, SQLite inbox"
	maxBody      = 1 << 20
	window       = time.Hour
)

var errNotDecoded = errors.New("the transcript was not decoded")

// newHandler returns the handler of that name, which may keep files in dir. It counts log lines in lines.
func newHandler(name, dir string, lines *atomic.Int64) (http.Handler, error) {
	switch name {
	case empty:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			succeed(w)
		}), nil
	case competent:
		return competentHandler(called), nil
	case best:
		return bestHandler(called), nil
	case ours:
		return oursHandler(&webhook.Options{Logger: counting(lines)})
	case oursFast:
		return oursHandler(&webhook.Options{Logger: counting(lines), Unmarshal: fastUnmarshal})
	case oursOtel:
		return telemetryHandler(counting(lines))
	case sqliteByHand:
		return insertingHandler(filepath.Join(dir, "byhand.db"))
	case sqliteOurs:
		return inboxHandler(filepath.Join(dir, "inbox.db"), counting(lines))
	default:
		return nil, errors.New("there is no such handler")
	}
}

// called is the callback of all handlers.
func called(_ context.Context, t *TranscriptData) error {
	if t.ConversationID != "conv-123" || len(t.Messages) == 0 {
		return errNotDecoded
	}
	return nil
}

func fastUnmarshal(data []byte, v any) error { return fastjson.Unmarshal(data, v) }

// oursHandler has everything on: the window, deduplication, and an observer.
func oursHandler(o *webhook.Options) (*webhook.Handler, error) {
	h, err := observedHandler(o)
	if err == nil {
		transcript.On(h, func(ctx context.Context, e *Transcript) error { return called(ctx, &e.TranscriptData) })
	}
	return h, err
}

// telemetryHandler is oursHandler with metrics, and with spans that are not sampled.
func telemetryHandler(logger *slog.Logger) (http.Handler, error) {
	telemetry, err := otelhooks.New(&otelhooks.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
	})
	if err != nil {
		return nil, err
	}
	var observed atomic.Int64
	h, err := oursHandler(telemetry.Options(&webhook.Options{
		Logger: logger, Observer: func(context.Context, webhook.Observation) { observed.Add(1) },
	}))
	if err != nil {
		return nil, err
	}
	return telemetry.Handler(h), nil
}

// undecodingHandler is oursHandler with a callback that gets the delivery and no typed event.
func undecodingHandler(o *webhook.Options) (*webhook.Handler, error) {
	h, err := observedHandler(o)
	if err == nil {
		h.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error {
			if d.Type != transcriptType {
				return errNotDecoded
			}
			return nil
		})
	}
	return h, err
}

func observedHandler(o *webhook.Options) (*webhook.Handler, error) {
	var observed atomic.Int64
	if o.Observer == nil {
		o.Observer = func(context.Context, webhook.Observation) { observed.Add(1) }
	}
	profile := convosphere.Profile()
	profile.Events = append(profile.Events, transcript)
	return webhook.NewHandler(profile, vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", secret)}}, o)
}

func newMAC() hash.Hash { return hmac.New(sha256.New, []byte(secret)) }

// competentHandler is what a competent engineer writes without a library. It does not detect duplicates.
func competentHandler(callback func(context.Context, *TranscriptData) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := verified(w, r)
		if !ok {
			return
		}
		var envelope struct {
			Type      string          `json:"type"`
			ID        string          `json:"id"`
			Timestamp int64           `json:"timestamp"`
			Data      json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		if !fresh(envelope.Timestamp) {
			http.Error(w, "stale", http.StatusUnauthorized)
			return
		}
		switch envelope.Type {
		case transcriptType:
			var t TranscriptData
			if err := json.Unmarshal(envelope.Data, &t); err != nil {
				http.Error(w, "json", http.StatusBadRequest)
				return
			}
			if err := callback(r.Context(), &t); err != nil {
				http.Error(w, "failed", http.StatusInternalServerError)
				return
			}
		}
		succeed(w)
	}
}

// verified reads the body and checks its signature. It responds if the delivery is not authentic.
func verified(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return nil, false
	}
	got, err := hex.DecodeString(r.Header.Get(signatureHeader))
	if err != nil {
		http.Error(w, "signature", http.StatusUnauthorized)
		return nil, false
	}
	mac := newMAC()
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), got) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return nil, false
	}
	return body, true
}

func fresh(timestamp int64) bool {
	age := time.Since(time.Unix(timestamp, 0))
	return -window < age && age < window
}

func succeed(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, `{"received":true}`)
}

// A scratch is what bestHandler uses again.
type scratch struct {
	body bytes.Buffer
	mac  hash.Hash
	sum  [sha256.Size]byte
	want [sha256.Size]byte
}

// bestHandler is the fastest handler that we can write by hand: pooled memory, one decode, and the type from a search for
// its bytes. It does not detect duplicates. With a nil callback, it only reads and verifies.
func bestHandler(callback func(context.Context, *TranscriptData) error) http.HandlerFunc {
	pool := sync.Pool{New: func() any { return &scratch{mac: newMAC()} }}
	typed := []byte(`"type":"` + transcriptType + `"`)
	return func(w http.ResponseWriter, r *http.Request) {
		s := pool.Get().(*scratch)
		defer pool.Put(s)
		s.body.Reset()
		if _, err := s.body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		header := r.Header.Get(signatureHeader)
		if len(header) != 2*len(s.want) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		if _, err := hex.Decode(s.want[:], []byte(header)); err != nil {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		s.mac.Reset()
		s.mac.Write(s.body.Bytes())
		if !hmac.Equal(s.mac.Sum(s.sum[:0]), s.want[:]) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		if callback != nil && bytes.Contains(s.body.Bytes(), typed) {
			var event struct {
				ID        string         `json:"id"`
				Timestamp int64          `json:"timestamp"`
				Data      TranscriptData `json:"data"`
			}
			if err := json.Unmarshal(s.body.Bytes(), &event); err != nil {
				http.Error(w, "json", http.StatusBadRequest)
				return
			}
			if !fresh(event.Timestamp) {
				http.Error(w, "stale", http.StatusUnauthorized)
				return
			}
			if err := callback(r.Context(), &event.Data); err != nil {
				http.Error(w, "failed", http.StatusInternalServerError)
				return
			}
		}
		succeed(w)
	}
}

// counting returns a logger that counts its lines, and writes them to standard error as a service does.
func counting(lines *atomic.Int64) *slog.Logger {
	return slog.New(slog.NewTextHandler(&counter{os.Stderr, lines}, nil))
}

type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(1)
	return c.Writer.Write(p)
}
