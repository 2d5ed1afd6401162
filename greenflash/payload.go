package greenflash

// Conversation is what the events of a conversation share: which one it is, and what it was about. All its fields are
// best guesses; see the package documentation.
type Conversation struct {
	// ConversationID is Greenflash's id of the conversation, ExternalConversationID is yours.
	ConversationID         string `json:"conversationId,omitzero"`
	ExternalConversationID string `json:"externalConversationId,omitzero"`

	ProductID string `json:"productId,omitzero"`
	VersionID string `json:"versionId,omitzero"`

	// ParticipantID is Greenflash's id of the user, ExternalParticipantID is yours.
	ParticipantID         string `json:"participantId,omitzero"`
	ExternalParticipantID string `json:"externalParticipantId,omitzero"`

	OrganizationID string `json:"organizationId,omitzero"`

	Topic    *string  `json:"topic,omitzero"`
	Summary  *string  `json:"summary,omitzero"`
	Keywords []string `json:"keywords,omitzero"`
}

// Product is what the events of a product share. All its fields are best guesses; see the package documentation.
type Product struct {
	ProductID      string `json:"productId,omitzero"`
	VersionID      string `json:"versionId,omitzero"`
	OrganizationID string `json:"organizationId,omitzero"`

	Summary  *string  `json:"summary,omitzero"`
	Keywords []string `json:"keywords,omitzero"`
}

// Score is a measurement.
type Score struct {
	Label *Label   `json:"label,omitzero"`
	Score *float64 `json:"score,omitzero"`
}

// CommercialIntent is how likely the user wants to buy, and what shows it.
type CommercialIntent struct {
	Label         *Label   `json:"label,omitzero"`
	Score         *float64 `json:"score,omitzero"`
	PrimarySignal *string  `json:"primarySignal,omitzero"`
}

// A Label puts a score into words. There are more than the constants, and there may be new ones.
type Label string

// The labels that Greenflash's webhook page speaks of; in which case they are written, it does not show.
const (
	LabelMedium Label = "medium"
	LabelHigh   Label = "high"
)

// Trigger says what a custom analysis found.
type Trigger struct {
	TriggerType *TriggerType `json:"triggerType,omitzero"`
	Reason      *string      `json:"reason,omitzero"`
	Severity    *float64     `json:"severity,omitzero"` // 1 to 5
	Confidence  *float64     `json:"confidence,omitzero"`
	Source      *string      `json:"source,omitzero"`
}

// A TriggerType says what sort of analysis it was. There may be more than the constants.
type TriggerType string

// The trigger types of Greenflash's public API.
const (
	TriggerGuardrail        TriggerType = "guardrail"
	TriggerExpectationCheck TriggerType = "expectation_check"
	TriggerNovelty          TriggerType = "novelty"
	TriggerManualReview     TriggerType = "manual_review"
	TriggerRevenueRisk      TriggerType = "revenue_risk"
)
