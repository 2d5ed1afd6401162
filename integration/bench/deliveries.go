package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

const (
	secret          = "whsec_of_the_benchmark"
	signatureHeader = "X-Convosphere-Signature"
)

// A Transcript is an event with a structure like the vendors' events.
type Transcript struct {
	webhook.Event `json:"@event"`
	TranscriptData
}

// TranscriptData is the data of a transcript.
type TranscriptData struct {
	ConversationID string    `json:"conversation_id"`
	AgentID        string    `json:"agent_id"`
	Messages       []Message `json:"messages"`
}

// A Message is a part of a transcript.
type Message struct {
	ID           string    `json:"message_id"`
	Role         string    `json:"role"`
	Content      string    `json:"content"`
	Confidence   float64   `json:"confidence_score"`
	ResponseTime int       `json:"response_time_ms"`
	CreatedAt    time.Time `json:"created_at"`
}

const transcriptType = "transcript"

var transcript = webhook.NewEventType[Transcript](transcriptType)

// placeholder is the id in a template. It is replaced by an id of the same length.
const placeholder = "evt-################"

// template returns a delivery of at least size bytes.
func template(size int) string {
	data := TranscriptData{ConversationID: "conv-123", AgentID: "agent-123"}
	for i := 0; ; i++ {
		data.Messages = append(data.Messages, Message{
			ID: fmt.Sprintf("msg-%d", i), Role: "agent", Content: "I can help you with that, one moment please.",
			Confidence: 0.95, ResponseTime: 1200, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		})
		b, err := json.Marshal(map[string]any{"type": transcriptType, "id": placeholder, "timestamp": time.Now().Unix(), "data": data})
		if err != nil {
			panic(err)
		}
		if len(b) >= size {
			return string(b)
		}
	}
}

// A sender makes signed deliveries with distinct ids. It is for one goroutine.
type sender struct {
	before, after string
	mac           hash.Hash
	body          []byte
	signature     []byte
	sum           []byte
}

func newSender(template string) *sender {
	before, after, _ := strings.Cut(template, placeholder)
	return &sender{before: before, after: after, mac: newMAC()}
}

// next returns a new delivery and its signature, until the next call.
func (s *sender) next(id uint64) (body, signature []byte) {
	s.body = fmt.Appendf(append(s.body[:0], s.before...), "evt-%016x", id)
	s.body = append(s.body, s.after...)
	s.mac.Reset()
	s.mac.Write(s.body)
	s.sum = s.mac.Sum(s.sum[:0])
	s.signature = hex.AppendEncode(s.signature[:0], s.sum)
	return s.body, s.signature
}
