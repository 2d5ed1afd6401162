package convosphere

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The types of events, as Convosphere's webhook page lists them.
const (
	TypeMessageCreated      = "message.created"
	TypeMessageCompleted    = "message.completed"
	TypeConversationStarted = "conversation.started"
	TypeConversationEnded   = "conversation.ended"
	TypeUserFeedback        = "user.feedback"
	TypeErrorOccurred       = "error.occurred"
)

var (
	kindMessageCreated      = webhook.NewEventType[MessageCreated](TypeMessageCreated)
	kindMessageCompleted    = webhook.NewEventType[MessageCompleted](TypeMessageCompleted)
	kindConversationStarted = webhook.NewEventType[ConversationStarted](TypeConversationStarted)
	kindConversationEnded   = webhook.NewEventType[ConversationEnded](TypeConversationEnded)
	kindUserFeedback        = webhook.NewEventType[UserFeedback](TypeUserFeedback)
	kindErrorOccurred       = webhook.NewEventType[ErrorOccurred](TypeErrorOccurred)
)

// events lists the types in the order of Convosphere's webhook page.
var events = []vendors.EventType{
	kindMessageCreated,
	kindMessageCompleted,
	kindConversationStarted,
	kindConversationEnded,
	kindUserFeedback,
	kindErrorOccurred,
}

// OnMessageCreated registers fn for message.created: "Triggered when a new message is sent by a user".
func (h *Handler) OnMessageCreated(fn func(context.Context, *MessageCreated) error) {
	kindMessageCreated.On(h.Handler, fn)
}

// OnMessageCompleted registers fn for message.completed: "Triggered when the agent completes a response".
func (h *Handler) OnMessageCompleted(fn func(context.Context, *MessageCompleted) error) {
	kindMessageCompleted.On(h.Handler, fn)
}

// OnConversationStarted registers fn for conversation.started: "Triggered when a new conversation begins".
func (h *Handler) OnConversationStarted(fn func(context.Context, *ConversationStarted) error) {
	kindConversationStarted.On(h.Handler, fn)
}

// OnConversationEnded registers fn for conversation.ended: "Triggered when a conversation ends".
func (h *Handler) OnConversationEnded(fn func(context.Context, *ConversationEnded) error) {
	kindConversationEnded.On(h.Handler, fn)
}

// OnUserFeedback registers fn for user.feedback: "Triggered when a user provides feedback (thumbs up/down)".
func (h *Handler) OnUserFeedback(fn func(context.Context, *UserFeedback) error) {
	kindUserFeedback.On(h.Handler, fn)
}

// OnErrorOccurred registers fn for error.occurred: "Triggered when an error occurs during conversation".
func (h *Handler) OnErrorOccurred(fn func(context.Context, *ErrorOccurred) error) {
	kindErrorOccurred.On(h.Handler, fn)
}
