package convosphere

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// The two payloads that Convosphere's public API shows. Its webhook page shows none. A field that is null, was not
// sent or did not fit is zero.

// MessageCreated is the event message.created. Its fields are those of Convosphere's public API.
type MessageCreated struct {
	webhook.Event `json:"@event"`

	MessageID string    `json:"messageId"`
	AgentID   string    `json:"agentId"`
	ThreadID  string    `json:"threadId"`
	Role      Role      `json:"role"`
	Content   string    `json:"content"`
	UserID    string    `json:"userId"`
	CreatedAt time.Time `json:"createdAt"`
}

// MessageCompleted is the event message.completed. Its fields are those of Convosphere's public API.
type MessageCompleted struct {
	webhook.Event `json:"@event"`

	MessageID  string     `json:"messageId"`
	AgentID    string     `json:"agentId"`
	ThreadID   string     `json:"threadId"`
	Role       Role       `json:"role"`
	Content    string     `json:"content"`
	Model      string     `json:"model"`
	TokensUsed TokensUsed `json:"tokensUsed"`
	CreatedAt  time.Time  `json:"createdAt"`
}

// TokensUsed says how many tokens an answer took.
type TokensUsed struct {
	Prompt     int64 `json:"prompt"`
	Completion int64 `json:"completion"`
	Total      int64 `json:"total"`
}
