package greenflash

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The types of events, as Greenflash names them.
const (
	TypeConversationStarted              = "conversation.started"
	TypeConversationQualityIndex         = "conversation.quality_index"
	TypeConversationSentiment            = "conversation.sentiment"
	TypeConversationFrustration          = "conversation.frustration"
	TypeConversationStruggle             = "conversation.struggle"
	TypeConversationCommercialIntent     = "conversation.commercial_intent"
	TypeConversationRating               = "conversation.rating"
	TypeProductQualityIndex              = "product.quality_index"
	TypeProductSentiment                 = "product.sentiment"
	TypeCustomAnalysisGuardrailTriggered = "custom_analysis.guardrail_triggered"
	TypeCustomAnalysisExpectationFailed  = "custom_analysis.expectation_failed"
	TypeCustomAnalysisEvidenceFound      = "custom_analysis.evidence_found"
)

var (
	kindConversationStarted              = webhook.NewEventType[ConversationStarted](TypeConversationStarted)
	kindConversationQualityIndex         = webhook.NewEventType[ConversationQualityIndex](TypeConversationQualityIndex)
	kindConversationSentiment            = webhook.NewEventType[ConversationSentiment](TypeConversationSentiment)
	kindConversationFrustration          = webhook.NewEventType[ConversationFrustration](TypeConversationFrustration)
	kindConversationStruggle             = webhook.NewEventType[ConversationStruggle](TypeConversationStruggle)
	kindConversationCommercialIntent     = webhook.NewEventType[ConversationCommercialIntent](TypeConversationCommercialIntent)
	kindConversationRating               = webhook.NewEventType[ConversationRating](TypeConversationRating)
	kindProductQualityIndex              = webhook.NewEventType[ProductQualityIndex](TypeProductQualityIndex)
	kindProductSentiment                 = webhook.NewEventType[ProductSentiment](TypeProductSentiment)
	kindCustomAnalysisGuardrailTriggered = webhook.NewEventType[CustomAnalysisGuardrailTriggered](TypeCustomAnalysisGuardrailTriggered)
	kindCustomAnalysisExpectationFailed  = webhook.NewEventType[CustomAnalysisExpectationFailed](TypeCustomAnalysisExpectationFailed)
	kindCustomAnalysisEvidenceFound      = webhook.NewEventType[CustomAnalysisEvidenceFound](TypeCustomAnalysisEvidenceFound)
)

var events = []vendors.EventType{
	kindConversationStarted,
	kindConversationQualityIndex,
	kindConversationSentiment,
	kindConversationFrustration,
	kindConversationStruggle,
	kindConversationCommercialIntent,
	kindConversationRating,
	kindProductQualityIndex,
	kindProductSentiment,
	kindCustomAnalysisGuardrailTriggered,
	kindCustomAnalysisExpectationFailed,
	kindCustomAnalysisEvidenceFound,
}

// OnConversationStarted registers fn to run when a new conversation starts.
func (h *Handler) OnConversationStarted(fn func(context.Context, *ConversationStarted) error) {
	kindConversationStarted.On(h.Handler, fn)
}

// OnConversationQualityIndex registers fn to run when the quality index (CQI) of a conversation drops below 60%.
func (h *Handler) OnConversationQualityIndex(fn func(context.Context, *ConversationQualityIndex) error) {
	kindConversationQualityIndex.On(h.Handler, fn)
}

// OnConversationSentiment registers fn to run when the average sentiment of a conversation becomes negative.
func (h *Handler) OnConversationSentiment(fn func(context.Context, *ConversationSentiment) error) {
	kindConversationSentiment.On(h.Handler, fn)
}

// OnConversationFrustration registers fn to run when user frustration is detected, with a score over 0.5.
func (h *Handler) OnConversationFrustration(fn func(context.Context, *ConversationFrustration) error) {
	kindConversationFrustration.On(h.Handler, fn)
}

// OnConversationStruggle registers fn to run when user struggle is detected, with a score over 0.5.
func (h *Handler) OnConversationStruggle(fn func(context.Context, *ConversationStruggle) error) {
	kindConversationStruggle.On(h.Handler, fn)
}

// OnConversationCommercialIntent registers fn to run when commercial intent is detected, with a score over 0.4
// and a "medium or high label". See [Label].
func (h *Handler) OnConversationCommercialIntent(fn func(context.Context, *ConversationCommercialIntent) error) {
	kindConversationCommercialIntent.On(h.Handler, fn)
}

// OnConversationRating registers fn to run when a user gives a rating for a conversation.
func (h *Handler) OnConversationRating(fn func(context.Context, *ConversationRating) error) {
	kindConversationRating.On(h.Handler, fn)
}

// OnProductQualityIndex registers fn to run when the quality index (PQI) of a product drops below 60.
func (h *Handler) OnProductQualityIndex(fn func(context.Context, *ProductQualityIndex) error) {
	kindProductQualityIndex.On(h.Handler, fn)
}

// OnProductSentiment registers fn to run when the sentiment of a product drops below 60%.
func (h *Handler) OnProductSentiment(fn func(context.Context, *ProductSentiment) error) {
	kindProductSentiment.On(h.Handler, fn)
}

// OnCustomAnalysisGuardrailTriggered registers fn to run when a guardrail that you have defined is violated.
func (h *Handler) OnCustomAnalysisGuardrailTriggered(fn func(context.Context, *CustomAnalysisGuardrailTriggered) error) {
	kindCustomAnalysisGuardrailTriggered.On(h.Handler, fn)
}

// OnCustomAnalysisExpectationFailed registers fn to run when an expectation check that you have defined is not met.
func (h *Handler) OnCustomAnalysisExpectationFailed(fn func(context.Context, *CustomAnalysisExpectationFailed) error) {
	kindCustomAnalysisExpectationFailed.On(h.Handler, fn)
}

// OnCustomAnalysisEvidenceFound registers fn to run when an evidence finder that you have defined surfaces a match.
func (h *Handler) OnCustomAnalysisEvidenceFound(fn func(context.Context, *CustomAnalysisEvidenceFound) error) {
	kindCustomAnalysisEvidenceFound.On(h.Handler, fn)
}
