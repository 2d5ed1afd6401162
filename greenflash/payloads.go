package greenflash

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// ConversationStarted reports that a new conversation has started.
type ConversationStarted struct {
	webhook.Event `json:"@event"`
	Conversation
}

// ConversationQualityIndex reports that the quality index (CQI) of a conversation has dropped below 60%.
type ConversationQualityIndex struct {
	webhook.Event `json:"@event"`
	Conversation

	// ConversationQualityIndex is the CQI. Greenflash does not document whether it sends 60% as 0.6, 6 or 60. In the
	// examples of its public API the CQI is from 0 to 10, such as 4.2.
	ConversationQualityIndex *float64 `json:"conversationQualityIndex,omitzero"`
}

// ConversationSentiment reports that the average sentiment of a conversation has become negative.
type ConversationSentiment struct {
	webhook.Event `json:"@event"`
	Conversation

	// Sentiment and AverageUserSentiment are the same measurement; the public API uses both names.
	Sentiment            *Score `json:"sentiment,omitzero"`
	AverageUserSentiment *Score `json:"averageUserSentiment,omitzero"`
}

// ConversationFrustration reports that the user is frustrated, with a score over 0.5.
type ConversationFrustration struct {
	webhook.Event `json:"@event"`
	Conversation
	Frustration *Score `json:"frustration,omitzero"`
}

// ConversationStruggle reports that the user is struggling, with a score over 0.5.
type ConversationStruggle struct {
	webhook.Event `json:"@event"`
	Conversation
	Struggle *Score `json:"struggle,omitzero"`
}

// ConversationCommercialIntent reports that the user may want to buy, with a score over 0.4 and a "medium or
// high label", as Greenflash's page calls it. See [Label].
type ConversationCommercialIntent struct {
	webhook.Event `json:"@event"`
	Conversation
	CommercialIntent *CommercialIntent `json:"commercialIntent,omitzero"`
}

// ConversationRating reports that a user has rated a conversation.
type ConversationRating struct {
	webhook.Event `json:"@event"`
	Conversation

	// MessageID is Greenflash's id of the rated message. ExternalMessageID is your id.
	MessageID         string `json:"messageId,omitzero"`
	ExternalMessageID string `json:"externalMessageId,omitzero"`

	// Rating is from RatingMin to RatingMax, both included.
	Rating    *float64 `json:"rating,omitzero"`
	RatingMin *float64 `json:"ratingMin,omitzero"`
	RatingMax *float64 `json:"ratingMax,omitzero"`

	// Feedback is the text that the user wrote with the rating.
	Feedback *string `json:"feedback,omitzero"`

	RatedAt *time.Time `json:"ratedAt,omitzero"`
}

// ProductQualityIndex reports that the quality index (PQI) of a product has dropped below 60.
type ProductQualityIndex struct {
	webhook.Event `json:"@event"`
	Product

	// ProductQualityIndex is the PQI. Greenflash does not document whether it sends 60 as 0.6, 6 or 60. In the examples
	// of its public API the quality indexes are from 0 to 10, such as 7.4.
	ProductQualityIndex *float64 `json:"productQualityIndex,omitzero"`
}

// ProductSentiment reports that the sentiment of a product has dropped below 60%.
type ProductSentiment struct {
	webhook.Event `json:"@event"`
	Product

	// Sentiment and AverageUserSentiment are the same measurement; the public API uses both names.
	Sentiment            *Score `json:"sentiment,omitzero"`
	AverageUserSentiment *Score `json:"averageUserSentiment,omitzero"`
}

// CustomAnalysisGuardrailTriggered reports that a guardrail that you have defined was violated.
type CustomAnalysisGuardrailTriggered struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all findings of the conversation.
	Triggers []Trigger `json:"triggers,omitzero"`
}

// CustomAnalysisExpectationFailed reports that an expectation check that you have defined was not met.
type CustomAnalysisExpectationFailed struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all findings of the conversation.
	Triggers []Trigger `json:"triggers,omitzero"`
}

// CustomAnalysisEvidenceFound reports that an evidence finder that you have defined has found a match.
type CustomAnalysisEvidenceFound struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all findings of the conversation.
	Triggers []Trigger `json:"triggers,omitzero"`
}

// Conversation holds the fields that the events of a conversation share. All fields are best guesses; see the package
// documentation.
type Conversation struct {
	// ConversationID is Greenflash's id of the conversation. ExternalConversationID is your id.
	ConversationID         string `json:"conversationId,omitzero"`
	ExternalConversationID string `json:"externalConversationId,omitzero"`

	// ExternalID is also your id of the conversation; the public API uses both names.
	ExternalID string `json:"externalId,omitzero"`

	ProductID string `json:"productId,omitzero"`
	VersionID string `json:"versionId,omitzero"`

	// ParticipantID is Greenflash's id of the user. ExternalParticipantID is your id.
	ParticipantID         string `json:"participantId,omitzero"`
	ExternalParticipantID string `json:"externalParticipantId,omitzero"`

	// Participant is the user, if Greenflash does not send the ids above.
	Participant *Participant `json:"participant,omitzero"`

	// OrganizationID is Greenflash's id of the organization. OrganizationExternalID is your id.
	OrganizationID         string `json:"organizationId,omitzero"`
	OrganizationExternalID string `json:"organizationExternalId,omitzero"`

	// Analysis holds the scores of the conversation in the public API.
	Analysis *Analysis `json:"analysis,omitzero"`

	Topic    *string  `json:"topic,omitzero"`
	Summary  *string  `json:"summary,omitzero"`
	Keywords []string `json:"keywords,omitzero"`
}

// Product holds the fields that the events of a product share. All fields are best guesses; see the package documentation.
type Product struct {
	ProductID string `json:"productId,omitzero"`
	VersionID string `json:"versionId,omitzero"`
	// OrganizationID is Greenflash's id of the organization. OrganizationExternalID is your id.
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

// Analysis holds the measurements of a conversation.
type Analysis struct {
	Sentiment   *Score `json:"sentiment,omitzero"`
	Frustration *Score `json:"frustration,omitzero"`
	Struggle    *Score `json:"struggle,omitzero"`

	// QualityIndex is from 0 to 10 in the public API's examples, where 60% is 6.
	QualityIndex *float64 `json:"qualityIndex,omitzero"`
}

// Score is a measurement. In the public API's examples the score of a sentiment may be negative, such as -0.6.
type Score struct {
	Label *Label   `json:"label,omitzero"`
	Score *float64 `json:"score,omitzero"`
}

// CommercialIntent is how likely the user wants to buy, and the signal that indicates it.
type CommercialIntent struct {
	Label         *Label   `json:"label,omitzero"`
	Score         *float64 `json:"score,omitzero"`
	PrimarySignal *string  `json:"primarySignal,omitzero"`
}

// A Label describes a score in words. Do not filter on it. Greenflash publishes no list of labels, and its webhook page
// says "medium" where its public API says "moderate". The API's examples have negative, slightly negative, neutral,
// improving, low, moderate and high.
type Label string

// Trigger describes what a custom analysis found.
type Trigger struct {
	TriggerType *TriggerType `json:"triggerType,omitzero"`
	Reason      *string      `json:"reason,omitzero"`
	Severity    *float64     `json:"severity,omitzero"` // 1 to 5
	Confidence  *float64     `json:"confidence,omitzero"`
	Source      *string      `json:"source,omitzero"`
}

// A TriggerType is the type of a custom analysis. Greenflash may send other values than the constants.
type TriggerType string

// The trigger types of Greenflash's public API.
const (
	TriggerGuardrail        TriggerType = "guardrail"
	TriggerExpectationCheck TriggerType = "expectation_check"
	TriggerNovelty          TriggerType = "novelty"
	TriggerManualReview     TriggerType = "manual_review"
	TriggerRevenueRisk      TriggerType = "revenue_risk"
)
