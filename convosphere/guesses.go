package convosphere

import "github.com/aihooks/aihooks-go/webhook"

// The four payloads that Convosphere does not publish. The ids are those that its messages have; the other names are
// ours.

// ConversationStarted is the event conversation.started.
//
// Convosphere does not publish this payload; the fields are a best guess. An id that was not sent is empty. Every byte
// stays reachable through Delivery().Body and Unknown().
type ConversationStarted struct {
	webhook.Event `json:"@event"`

	AgentID  string `json:"agentId,omitempty"`
	ThreadID string `json:"threadId,omitempty"`
	UserID   string `json:"userId,omitempty"`
}

// ConversationEnded is the event conversation.ended.
//
// Convosphere does not publish this payload; the fields are a best guess. An id that was not sent is empty. Every byte
// stays reachable through Delivery().Body and Unknown().
type ConversationEnded struct {
	webhook.Event `json:"@event"`

	AgentID  string `json:"agentId,omitempty"`
	ThreadID string `json:"threadId,omitempty"`
	UserID   string `json:"userId,omitempty"`
}

// UserFeedback is the event user.feedback.
//
// Convosphere does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything
// else nil. Every byte stays reachable through Delivery().Body and Unknown().
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
// Convosphere does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything
// else nil. Every byte stays reachable through Delivery().Body and Unknown().
type ErrorOccurred struct {
	webhook.Event `json:"@event"`

	MessageID string `json:"messageId,omitempty"`
	AgentID   string `json:"agentId,omitempty"`
	ThreadID  string `json:"threadId,omitempty"`
	UserID    string `json:"userId,omitempty"`
	Code      *Text  `json:"code,omitempty"`
	Error     *Text  `json:"error,omitempty"` // a code in the errors of Convosphere's API, with a message
	Message   *Text  `json:"message,omitempty"`
}
