package workflux

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The types of events, as the Webhooks Guide lists them.
const (
	TypeConversationStarted   = "conversation.started"
	TypeConversationCompleted = "conversation.completed"
	TypeConversationEscalated = "conversation.escalated"
	TypeAgentResponse         = "agent.response"
	TypeUserMessage           = "user.message"
	TypeEscalationTriggered   = "escalation.triggered"
	TypeIntegrationSync       = "integration.sync"
	TypeIntegrationError      = "integration.error"
	TypeAgentUpdated          = "agent.updated"
)

var (
	kindConversationStarted   = webhook.NewEventType[ConversationStarted](TypeConversationStarted)
	kindConversationCompleted = webhook.NewEventType[ConversationCompleted](TypeConversationCompleted)
	kindConversationEscalated = webhook.NewEventType[ConversationEscalated](TypeConversationEscalated)
	kindAgentResponse         = webhook.NewEventType[AgentResponse](TypeAgentResponse)
	kindUserMessage           = webhook.NewEventType[UserMessage](TypeUserMessage)
	kindEscalationTriggered   = webhook.NewEventType[EscalationTriggered](TypeEscalationTriggered)
	kindIntegrationSync       = webhook.NewEventType[IntegrationSync](TypeIntegrationSync)
	kindIntegrationError      = webhook.NewEventType[IntegrationError](TypeIntegrationError)
	kindAgentUpdated          = webhook.NewEventType[AgentUpdated](TypeAgentUpdated)
)

// events lists the types in the order of the Webhooks Guide.
var events = []vendors.EventType{
	kindConversationStarted,
	kindConversationCompleted,
	kindConversationEscalated,
	kindAgentResponse,
	kindUserMessage,
	kindEscalationTriggered,
	kindIntegrationSync,
	kindIntegrationError,
	kindAgentUpdated,
}

// OnConversationStarted registers fn for conversation.started: "New conversation initiated".
func (h *Handler) OnConversationStarted(fn func(context.Context, *ConversationStarted) error) {
	kindConversationStarted.On(h.Handler, fn)
}

// OnConversationCompleted registers fn for conversation.completed: "Conversation ended".
func (h *Handler) OnConversationCompleted(fn func(context.Context, *ConversationCompleted) error) {
	kindConversationCompleted.On(h.Handler, fn)
}

// OnConversationEscalated registers fn for conversation.escalated: "Conversation escalated to human".
func (h *Handler) OnConversationEscalated(fn func(context.Context, *ConversationEscalated) error) {
	kindConversationEscalated.On(h.Handler, fn)
}

// OnAgentResponse registers fn for agent.response: "Agent generated response".
func (h *Handler) OnAgentResponse(fn func(context.Context, *AgentResponse) error) {
	kindAgentResponse.On(h.Handler, fn)
}

// OnUserMessage registers fn for user.message: "User sent a message".
func (h *Handler) OnUserMessage(fn func(context.Context, *UserMessage) error) {
	kindUserMessage.On(h.Handler, fn)
}

// OnEscalationTriggered registers fn for escalation.triggered: "Human escalation requested".
func (h *Handler) OnEscalationTriggered(fn func(context.Context, *EscalationTriggered) error) {
	kindEscalationTriggered.On(h.Handler, fn)
}

// OnIntegrationSync registers fn for integration.sync: "Data synchronization completed".
func (h *Handler) OnIntegrationSync(fn func(context.Context, *IntegrationSync) error) {
	kindIntegrationSync.On(h.Handler, fn)
}

// OnIntegrationError registers fn for integration.error: "Integration error occurred".
func (h *Handler) OnIntegrationError(fn func(context.Context, *IntegrationError) error) {
	kindIntegrationError.On(h.Handler, fn)
}

// OnAgentUpdated registers fn for agent.updated: "Agent configuration updated".
func (h *Handler) OnAgentUpdated(fn func(context.Context, *AgentUpdated) error) {
	kindAgentUpdated.On(h.Handler, fn)
}
