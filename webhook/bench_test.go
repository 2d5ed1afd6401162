package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Transcript is an event with a structure like the vendors' events.
type Transcript struct {
	webhook.Event  `json:"@event"`
	ConversationID string    `json:"conversation_id"`
	AgentID        string    `json:"agent_id"`
	Messages       []Message `json:"messages"`
}

// Message is a part of a Transcript.
type Message struct {
	ID           string    `json:"message_id"`
	Role         string    `json:"role"`
	Content      string    `json:"content"`
	Confidence   float64   `json:"confidence_score"`
	ResponseTime int       `json:"response_time_ms"`
	CreatedAt    time.Time `json:"created_at"`
}

var transcript = webhook.NewEventType[Transcript]("transcript")

// transcriptBody is a transcript of at least size bytes.
func transcriptBody(size int, id string) []byte {
	var messages []Message
	for i := 0; ; i++ {
		messages = append(messages, Message{
			ID: fmt.Sprintf("msg-%d", i), Role: "agent", Content: "I can help you with that, one moment please.",
			Confidence: 0.95, ResponseTime: 1200, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		})
		b, _ := json.Marshal(map[string]any{
			"type": "transcript", "id": id, "time": time.Now().Unix(),
			"data": map[string]any{"conversation_id": "conv-123", "agent_id": "agent-123", "messages": messages},
		})
		if len(b) >= size {
			return b
		}
	}
}

// wire is a request body and a ResponseWriter like those of net/http: the body is not in memory, and has a read deadline.
type wire struct {
	bytes.Reader
	header http.Header
	status int
}

func (w *wire) Close() error                    { return nil }
func (w *wire) Header() http.Header             { return w.header }
func (w *wire) WriteHeader(status int)          { w.status = status }
func (w *wire) Write(p []byte) (int, error)     { return len(p), nil }
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// byHand is a handler without a library. It verifies the signature, but does not detect duplicates.
func byHand(secret string, callback func(context.Context, *Transcript) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		got, err := hex.DecodeString(r.Header.Get("X-Acme-Signature"))
		if err != nil {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if !hmac.Equal(mac.Sum(nil), got) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		var envelope struct {
			Type string          `json:"type"`
			ID   string          `json:"id"`
			Time int64           `json:"time"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		if age := time.Since(time.Unix(envelope.Time, 0)); age > time.Hour || age < -time.Hour {
			http.Error(w, "stale", http.StatusUnauthorized)
			return
		}
		switch envelope.Type {
		case "transcript":
			var event Transcript
			if err := json.Unmarshal(envelope.Data, &event); err != nil {
				http.Error(w, "json", http.StatusBadRequest)
				return
			}
			if err := callback(r.Context(), &event); err != nil {
				http.Error(w, "failed", http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"received":true}`)
	}
}

func ours(b *testing.B, callback func(context.Context, *Transcript) error) http.Handler {
	p := acme()
	p.Window = 24 * time.Hour
	p.Events = append(p.Events, transcript)
	h, err := webhook.NewHandler(p, vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}},
		&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	transcript.On(h, callback)
	return h
}

// BenchmarkServeHTTP compares a Handler with a handler written by hand. Each delivery has a new id.
// "busy" has a sender for each core, like a service under load. "alone" has one sender, so that starting the callback's
// goroutine also wakes an idle core. Only the handlers are timed, as ns/delivery.
func BenchmarkServeHTTP(b *testing.B) {
	callback := func(_ context.Context, e *Transcript) error {
		if e.ConversationID != "conv-123" {
			return errors.New("not decoded")
		}
		return nil
	}
	for _, size := range []int{512, 4 << 10, 64 << 10} {
		for name, senders := range map[string]int{"alone": 1, "busy": runtime.GOMAXPROCS(0)} {
			b.Run(fmt.Sprintf("%d/%s/byhand", size, name), func(b *testing.B) { serve(b, byHand(acmeSecret, callback), size, senders) })
			b.Run(fmt.Sprintf("%d/%s/aihooks", size, name), func(b *testing.B) { serve(b, ours(b, callback), size, senders) })
		}
	}
}

func serve(b *testing.B, h http.Handler, size, senders int) {
	template := string(transcriptBody(size, "########"))
	var next, spent atomic.Int64
	var all sync.WaitGroup
	b.SetBytes(int64(len(template)))
	b.ResetTimer()
	for range senders {
		all.Go(func() {
			batch := make([]exchange, 64)
			for {
				first := next.Add(int64(len(batch))) - int64(len(batch))
				n := min(int64(b.N)-first, int64(len(batch)))
				if n <= 0 {
					return
				}
				for i := range n {
					batch[i].prepare(strings.Replace(template, "########", fmt.Sprintf("%08x", first+i), 1))
				}
				began := time.Now()
				for i := range n {
					h.ServeHTTP(&batch[i].wire, batch[i].request)
				}
				spent.Add(int64(time.Since(began)))
				for i := range n {
					if batch[i].wire.status != http.StatusOK {
						b.Errorf("got the status %d", batch[i].wire.status)
					}
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(spent.Load())/float64(b.N), "ns/delivery")
	b.ReportMetric(0, "ns/op") // it would include making the requests
}

// An exchange is a request and its ResponseWriter.
type exchange struct {
	wire    wire
	request *http.Request
}

func (e *exchange) prepare(body string) {
	mac := hmac.New(sha256.New, []byte(acmeSecret))
	mac.Write([]byte(body))
	e.wire = wire{header: make(http.Header)}
	e.wire.Reset([]byte(body))
	e.request, _ = http.NewRequest(http.MethodPost, "http://receiver.test/", &e.wire)
	e.request.ContentLength = int64(len(body))
	e.request.Header.Set("X-Acme-Signature", hex.EncodeToString(mac.Sum(nil)))
}
