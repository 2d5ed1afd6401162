package greenflash

// Conversation is what the events of a conversation share: which one it is, and what it was about. All its fields are
// best guesses; see the package documentation.
type Conversation struct {
	// ConversationID is Greenflash's id of the conversation, ExternalConversationID is yours.
	ConversationID         string `json:"conversationId,omitzero"`
	ExternalConversationID string `json:"externalConversationId,omitzero"`

	// ExternalID is another name that the public API has for your id of the conversation.
	ExternalID string `json:"externalId,omitzero"`

	ProductID string `json:"productId,omitzero"`
	VersionID string `json:"versionId,omitzero"`

	// ParticipantID is Greenflash's id of the user, ExternalParticipantID is yours.
	ParticipantID         string `json:"participantId,omitzero"`
	ExternalParticipantID string `json:"externalParticipantId,omitzero"`

	// Participant is the user, where the ids above are not sent by themselves.
	Participant *Participant `json:"participant,omitzero"`

	// OrganizationID is Greenflash's id of the organization, OrganizationExternalID is yours.
	OrganizationID         string `json:"organizationId,omitzero"`
	OrganizationExternalID string `json:"organizationExternalId,omitzero"`

	// Analysis is where the public API has the scores of a conversation.
	Analysis *Analysis `json:"analysis,omitzero"`

	Topic    *string  `json:"topic,omitzero"`
	Summary  *string  `json:"summary,omitzero"`
	Keywords []string `json:"keywords,omitzero"`
}

// Product is what the events of a product share. All its fields are best guesses; see the package documentation.
type Product struct {
	ProductID string `json:"productId,omitzero"`
	VersionID string `json:"versionId,omitzero"`
	// OrganizationID is Greenflash's id of the organization, OrganizationExternalID is yours.
	OrganizationID         string `json:"organizationId,omitzero"`
	OrganizationExternalID string `json:"organizationExternalId,omitzero"`

	Summary  *string  `json:"summary,omitzero"`
	Keywords []string `json:"keywords,omitzero"`
}

// Participant is a user.
type Participant struct {
	ID         string  `json:"id,omitzero"`         // Greenflash's
	ExternalID string  `json:"externalId,omitzero"` // yours
	Name       *string `json:"name,omitzero"`
	Email      *string `json:"email,omitzero"`
}

// Analysis has what was measured of a conversation.
type Analysis struct {
	Sentiment   *Score `json:"sentiment,omitzero"`
	Frustration *Score `json:"frustration,omitzero"`
	Struggle    *Score `json:"struggle,omitzero"`

	// QualityIndex is 0 to 10 in the public API's examples, where 60% is 6.
	QualityIndex *float64 `json:"qualityIndex,omitzero"`
}

// Score is a measurement. In the public API's examples the score of a sentiment may be negative, such as -0.6.
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

// A Label puts a score into words. Do not filter on it: Greenflash publishes no list, and its webhook page says "medium"
// where its public API says "moderate". Seen in the API's examples: negative, slightly negative, neutral, improving,
// low, moderate, high.
type Label string

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
