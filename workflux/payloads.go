package workflux

import "github.com/aihooks/aihooks-go/webhook"

// WorkFlux's Webhooks Guide shows the next four payloads in full. The types follow its examples; measurements are
// float64, because they may have a fraction. A field is zero if it is null, was not sent or has an unexpected type.

// ConversationStarted is the event conversation.started. Its fields come from the Webhooks Guide.
type ConversationStarted struct {
	webhook.Event `json:"@event"`

	ConversationID string  `json:"conversation_id"`
	AgentID        string  `json:"agent_id"`
	AgentName      string  `json:"agent_name"`
	Channel        Channel `json:"channel"`
	UserID         string  `json:"user_id"`
	UserEmail      string  `json:"user_email"`
	InitialMessage string  `json:"initial_message"`
}

// ConversationCompleted is the event conversation.completed. Its fields come from the Webhooks Guide.
type ConversationCompleted struct {
	webhook.Event `json:"@event"`

	ConversationID  string  `json:"conversation_id"`
	AgentID         string  `json:"agent_id"`
	DurationSeconds float64 `json:"duration_seconds"`
	MessagesCount   int64   `json:"messages_count"`

	// ResolutionRate is 1.0 in the guide's example; its scale is not published.
	ResolutionRate float64 `json:"resolution_rate"`

	// SatisfactionScore is 5 in the guide's example; its scale is not published.
	SatisfactionScore float64 `json:"satisfaction_score"`

	WasEscalated bool `json:"was_escalated"`
}

// AgentResponse is the event agent.response. Its fields come from the Webhooks Guide.
type AgentResponse struct {
	webhook.Event `json:"@event"`

	ConversationID string `json:"conversation_id"`
	AgentID        string `json:"agent_id"`
	MessageID      string `json:"message_id"`
	Content        string `json:"content"`

	// ResponseTimeMs is in milliseconds.
	ResponseTimeMs float64 `json:"response_time_ms"`

	// ConfidenceScore is 0.95 in the guide's example; its scale is not published.
	ConfidenceScore float64 `json:"confidence_score"`
}

// IntegrationSync is the event integration.sync. Its fields come from the Webhooks Guide.
type IntegrationSync struct {
	webhook.Event `json:"@event"`

	IntegrationID   string          `json:"integration_id"`
	IntegrationType IntegrationType `json:"integration_type"`
	SyncType        SyncType        `json:"sync_type"`
	RecordsSynced   int64           `json:"records_synced"`
	DurationSeconds float64         `json:"duration_seconds"`
	Status          SyncStatus      `json:"status"`
}

// WorkFlux does not publish the next five payloads. The fields have only names and types that the published payloads
// have, because an invented name would look like WorkFlux's.

// ConversationEscalated is the event conversation.escalated.
//
// WorkFlux does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
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
// WorkFlux does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
//
// If a user sends the same text twice within a second, and the events have no id, the two events have equal bytes.
// They then count as one event. See [Config.DedupKey].
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
// WorkFlux does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type EscalationTriggered struct {
	webhook.Event `json:"@event"`

	ConversationID string   `json:"conversation_id,omitempty"`
	AgentID        string   `json:"agent_id,omitempty"`
	AgentName      *string  `json:"agent_name,omitempty"`
	Channel        *Channel `json:"channel,omitempty"`
	UserID         string   `json:"user_id,omitempty"`
	UserEmail      *string  `json:"user_email,omitempty"`
}

// IntegrationError is the event integration.error. It has no field for the error, because no published payload names
// one. Look for the error in Unknown().
//
// WorkFlux does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type IntegrationError struct {
	webhook.Event `json:"@event"`

	IntegrationID   string           `json:"integration_id,omitempty"`
	IntegrationType *IntegrationType `json:"integration_type,omitempty"`
	SyncType        *SyncType        `json:"sync_type,omitempty"`
}

// AgentUpdated is the event agent.updated. It has no field for the change, because no published payload names one. In
// WorkFlux's API an agent has id, name, category, status and config{personality, language}. Look for those in Unknown().
//
// WorkFlux does not publish this payload, so the fields are a best guess. An id that was not sent is empty. Any other
// field that was not sent is nil. Unknown() returns the fields that this type does not have. Delivery().Body is complete.
type AgentUpdated struct {
	webhook.Event `json:"@event"`

	AgentID   string  `json:"agent_id,omitempty"`
	AgentName *string `json:"agent_name,omitempty"`
}

// A Channel is where a conversation takes place. WorkFlux publishes no list, so expect other
// values than the constants.
type Channel string

// The channels that the Webhooks Guide shows.
const (
	ChannelChat Channel = "chat"
)

// An IntegrationType is the system that an integration connects to. WorkFlux publishes no list, so expect other
// values than the constants.
type IntegrationType string

// The types of integration that the Webhooks Guide shows.
const (
	IntegrationTypeSalesforce IntegrationType = "salesforce"
)

// A SyncType is the scope of a synchronization. WorkFlux publishes no list, so expect other
// values than the constants.
type SyncType string

// The types of synchronization that the Webhooks Guide shows.
const (
	SyncTypeFull SyncType = "full"
)

// A SyncStatus is the result of a synchronization. WorkFlux publishes no list, so expect other
// values than the constants.
type SyncStatus string

// The results that the Webhooks Guide shows.
const (
	SyncStatusSuccess SyncStatus = "success"
)
