package greenflash

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// ConversationStarted says that a new conversation has started.
type ConversationStarted struct {
	webhook.Event `json:"@event"`
	Conversation
}

// ConversationQualityIndex says that the quality index (CQI) of a conversation has dropped below 60%.
type ConversationQualityIndex struct {
	webhook.Event `json:"@event"`
	Conversation

	// ConversationQualityIndex is the CQI. Whether 60% is sent as 0.6, 6 or 60 is not documented; the examples of
	// Greenflash's public API are 0 to 10, such as 4.2.
	ConversationQualityIndex *float64 `json:"conversationQualityIndex,omitzero"`
}

// ConversationSentiment says that the average sentiment of a conversation has become negative.
type ConversationSentiment struct {
	webhook.Event `json:"@event"`
	Conversation

	// Sentiment and AverageUserSentiment are two names that the public API has for the same.
	Sentiment            *Score `json:"sentiment,omitzero"`
	AverageUserSentiment *Score `json:"averageUserSentiment,omitzero"`
}

// ConversationFrustration says that the user is frustrated, with a score over 0.5.
type ConversationFrustration struct {
	webhook.Event `json:"@event"`
	Conversation
	Frustration *Score `json:"frustration,omitzero"`
}

// ConversationStruggle says that the user is struggling, with a score over 0.5.
type ConversationStruggle struct {
	webhook.Event `json:"@event"`
	Conversation
	Struggle *Score `json:"struggle,omitzero"`
}

// ConversationCommercialIntent says that the user may want to buy, with a score over 0.4 and, in
// the words of Greenflash's page, a "medium or high label". See [Label].
type ConversationCommercialIntent struct {
	webhook.Event `json:"@event"`
	Conversation
	CommercialIntent *CommercialIntent `json:"commercialIntent,omitzero"`
}

// ConversationRating says that a user has rated a conversation.
type ConversationRating struct {
	webhook.Event `json:"@event"`
	Conversation

	// MessageID is Greenflash's id of the message that was rated, ExternalMessageID is yours.
	MessageID         string `json:"messageId,omitzero"`
	ExternalMessageID string `json:"externalMessageId,omitzero"`

	// Rating lies between RatingMin and RatingMax, both included.
	Rating    *float64 `json:"rating,omitzero"`
	RatingMin *float64 `json:"ratingMin,omitzero"`
	RatingMax *float64 `json:"ratingMax,omitzero"`

	// Feedback is what the user wrote with it.
	Feedback *string `json:"feedback,omitzero"`

	RatedAt *time.Time `json:"ratedAt,omitzero"`
}

// ProductQualityIndex says that the quality index (PQI) of a product has dropped below 60.
type ProductQualityIndex struct {
	webhook.Event `json:"@event"`
	Product

	// ProductQualityIndex is the PQI. Whether 60 is sent as 0.6, 6 or 60 is not documented; the quality indexes in the
	// examples of Greenflash's public API are 0 to 10, such as 7.4.
	ProductQualityIndex *float64 `json:"productQualityIndex,omitzero"`
}

// ProductSentiment says that the sentiment of a product has dropped below 60%.
type ProductSentiment struct {
	webhook.Event `json:"@event"`
	Product

	// Sentiment and AverageUserSentiment are two names that the public API has for the same.
	Sentiment            *Score `json:"sentiment,omitzero"`
	AverageUserSentiment *Score `json:"averageUserSentiment,omitzero"`
}

// CustomAnalysisGuardrailTriggered says that a guardrail that you have defined was violated.
type CustomAnalysisGuardrailTriggered struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all that the conversation was flagged for.
	Triggers []Trigger `json:"triggers,omitzero"`
}

// CustomAnalysisExpectationFailed says that an expectation check that you have defined was not met.
type CustomAnalysisExpectationFailed struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all that the conversation was flagged for.
	Triggers []Trigger `json:"triggers,omitzero"`
}

// CustomAnalysisEvidenceFound says that an evidence finder that you have defined has found a match.
type CustomAnalysisEvidenceFound struct {
	webhook.Event `json:"@event"`
	Conversation
	Trigger

	// Triggers are all that the conversation was flagged for.
	Triggers []Trigger `json:"triggers,omitzero"`
}
