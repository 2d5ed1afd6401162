package workflux

import "github.com/aihooks/aihooks-go/webhook"

// The four payloads that WorkFlux's Webhooks Guide gives in full. Names are the guide's; the types are read off its
// examples, with room for a fraction wherever something is measured. A field that is null, was not sent or did not fit
// is zero.

// ConversationStarted is the event conversation.started. Its fields are those of the Webhooks Guide.
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

// ConversationCompleted is the event conversation.completed. Its fields are those of the Webhooks Guide.
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

// AgentResponse is the event agent.response. Its fields are those of the Webhooks Guide.
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

// IntegrationSync is the event integration.sync. Its fields are those of the Webhooks Guide.
type IntegrationSync struct {
	webhook.Event `json:"@event"`

	IntegrationID   string          `json:"integration_id"`
	IntegrationType IntegrationType `json:"integration_type"`
	SyncType        SyncType        `json:"sync_type"`
	RecordsSynced   int64           `json:"records_synced"`
	DurationSeconds float64         `json:"duration_seconds"`
	Status          SyncStatus      `json:"status"`
}
