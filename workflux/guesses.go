package workflux

import "github.com/aihooks/aihooks-go/webhook"

// The five payloads that WorkFlux does not publish. Only names that the published payloads have are guessed at, with
// the types that they have there: a name of our own making would look like WorkFlux's word.

// ConversationEscalated is the event conversation.escalated.
//
// WorkFlux does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything else
// nil. Every byte stays reachable through Delivery().Body and Unknown().
type ConversationEscalated struct {
	webhook.Event `json:"@event"`

	ConversationID string   `json:"conversation_id,omitempty"`
	AgentID        string   `json:"agent_id,omitempty"`
	AgentName      *string  `json:"agent_name,omitempty"`
	Channel        *Channel `json:"channel,omitempty"`
	UserID         string   `json:"user_id,omitempty"`
	UserEmail      *string  `json:"user_email,omitempty"`
}

// UserMessage is the event user.message.
//
// WorkFlux does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything else
// nil. Every byte stays reachable through Delivery().Body and Unknown().
//
// A user who writes the same twice within a second sends two events with equal bytes, if they carry no id. See
// [Config.DedupKey].
type UserMessage struct {
	webhook.Event `json:"@event"`

	ConversationID string   `json:"conversation_id,omitempty"`
	AgentID        string   `json:"agent_id,omitempty"`
	MessageID      string   `json:"message_id,omitempty"`
	Content        *string  `json:"content,omitempty"`
	Channel        *Channel `json:"channel,omitempty"`
	UserID         string   `json:"user_id,omitempty"`
	UserEmail      *string  `json:"user_email,omitempty"`
}

// EscalationTriggered is the event escalation.triggered.
//
// WorkFlux does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything else
// nil. Every byte stays reachable through Delivery().Body and Unknown().
type EscalationTriggered struct {
	webhook.Event `json:"@event"`

	ConversationID string   `json:"conversation_id,omitempty"`
	AgentID        string   `json:"agent_id,omitempty"`
	AgentName      *string  `json:"agent_name,omitempty"`
	Channel        *Channel `json:"channel,omitempty"`
	UserID         string   `json:"user_id,omitempty"`
	UserEmail      *string  `json:"user_email,omitempty"`
}

// IntegrationError is the event integration.error. What went wrong has no field: no published payload names such a
// thing. Look for it in Unknown().
//
// WorkFlux does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything else
// nil. Every byte stays reachable through Delivery().Body and Unknown().
type IntegrationError struct {
	webhook.Event `json:"@event"`

	IntegrationID   string           `json:"integration_id,omitempty"`
	IntegrationType *IntegrationType `json:"integration_type,omitempty"`
	SyncType        *SyncType        `json:"sync_type,omitempty"`
}

// AgentUpdated is the event agent.updated. What was changed has no field: no published payload names such a thing. In
// WorkFlux's API an agent has id, name, category, status and config{personality, language}: look for those in Unknown().
//
// WorkFlux does not publish this payload; the fields are a best guess. An id that was not sent is empty, anything else
// nil. Every byte stays reachable through Delivery().Body and Unknown().
type AgentUpdated struct {
	webhook.Event `json:"@event"`

	AgentID   string  `json:"agent_id,omitempty"`
	AgentName *string `json:"agent_name,omitempty"`
}
