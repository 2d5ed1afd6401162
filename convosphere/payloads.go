package convosphere

import (
	"encoding/json"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// Convosphere's public API shows the next two payloads. Its webhook page shows none. A field is zero if it is null, was
// not sent or has an unexpected type.

// MessageCreated is the event message.created. Its fields come from Convosphere's public API.
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

// MessageCompleted is the event message.completed. Its fields come from Convosphere's public API.
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

// TokensUsed is the number of tokens that a response used.
type TokensUsed struct {
	Prompt     int64 `json:"prompt"`
	Completion int64 `json:"completion"`
	Total      int64 `json:"total"`
}

// Convosphere does not publish the next four payloads. The ids have the names that they have in its messages. The other
// names are our choice.

// ConversationStarted is the event conversation.started.
//
// Convosphere does not publish this payload, so the fields are a best guess. An id that was not sent is empty.
// Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type ConversationStarted struct {
	webhook.Event `json:"@event"`

	AgentID  string `json:"agentId,omitempty"`
	ThreadID string `json:"threadId,omitempty"`
	UserID   string `json:"userId,omitempty"`
}

// ConversationEnded is the event conversation.ended.
//
// Convosphere does not publish this payload, so the fields are a best guess. An id that was not sent is empty.
// Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type ConversationEnded struct {
	webhook.Event `json:"@event"`

	AgentID  string `json:"agentId,omitempty"`
	ThreadID string `json:"threadId,omitempty"`
	UserID   string `json:"userId,omitempty"`
}

// UserFeedback is the event user.feedback.
//
// Convosphere does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type UserFeedback struct {
	webhook.Event `json:"@event"`

	MessageID string  `json:"messageId,omitempty"`
	AgentID   string  `json:"agentId,omitempty"`
	ThreadID  string  `json:"threadId,omitempty"`
	UserID    string  `json:"userId,omitempty"`
	Rating    *Rating `json:"rating,omitempty"`
	Comment   *Text   `json:"comment,omitempty"`
}

// ErrorOccurred is the event error.occurred.
//
// Convosphere does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type ErrorOccurred struct {
	webhook.Event `json:"@event"`

	MessageID string `json:"messageId,omitempty"`
	AgentID   string `json:"agentId,omitempty"`
	ThreadID  string `json:"threadId,omitempty"`
	UserID    string `json:"userId,omitempty"`
	Code      *Text  `json:"code,omitempty"`
	Error     *Text  `json:"error,omitempty"` // in the errors of Convosphere's API, a code with a message
	Message   *Text  `json:"message,omitempty"`
}

// A Role tells who wrote a message. Convosphere publishes no list of roles, so expect values other than the constants.
type Role string

// The roles. Convosphere does not publish their names; these are a best guess.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// A Rating is a user's feedback. Convosphere says "thumbs up/down" and does not say how it is written. A Rating
// therefore accepts any JSON value. It holds the value of a string, and the JSON text of any other value.
type Rating string

// The ratings. Convosphere does not publish their names; these are a best guess.
const (
	RatingThumbsUp   Rating = "thumbs_up"
	RatingThumbsDown Rating = "thumbs_down"
)

// UnmarshalJSON accepts any JSON value and returns no error.
func (r *Rating) UnmarshalJSON(raw []byte) error {
	*r = Rating(textOf(raw))
	return nil
}

// A Text is the value of a field whose name and type are our guess. It therefore accepts any JSON value. It holds the
// value of a string, and the JSON text of any other value.
type Text string

// UnmarshalJSON accepts any JSON value and returns no error.
func (t *Text) UnmarshalJSON(raw []byte) error {
	*t = Text(textOf(raw))
	return nil
}

// textOf returns the value of a JSON string, and the JSON text of any other value.
func textOf(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}
