// Package greenflashtest has sample payloads of Greenflash, for tests of receivers. To send them as Greenflash does,
// see webhook/webhooktest.
package greenflashtest

import (
	"embed"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns at least one sample of each event type, in the order of the types. Greenflash documents no payload:
// all are our best guess.
func Samples() []webhooktest.Sample {
	return []webhooktest.Sample{
		sample(greenflash.TypeConversationStarted, "conversation.started"),
		sample(greenflash.TypeConversationQualityIndex, "conversation.quality_index"),
		sample(greenflash.TypeConversationSentiment, "conversation.sentiment"),
		sample(greenflash.TypeConversationFrustration, "conversation.frustration"),
		sample(greenflash.TypeConversationFrustration, "conversation.frustration.flat"),
		sample(greenflash.TypeConversationStruggle, "conversation.struggle"),
		sample(greenflash.TypeConversationCommercialIntent, "conversation.commercial_intent"),
		sample(greenflash.TypeConversationRating, "conversation.rating"),
		sample(greenflash.TypeProductQualityIndex, "product.quality_index"),
		sample(greenflash.TypeProductSentiment, "product.sentiment"),
		sample(greenflash.TypeCustomAnalysisGuardrailTriggered, "custom_analysis.guardrail_triggered"),
		sample(greenflash.TypeCustomAnalysisExpectationFailed, "custom_analysis.expectation_failed"),
		sample(greenflash.TypeCustomAnalysisEvidenceFound, "custom_analysis.evidence_found"),
	}
}

func sample(eventType, name string) webhooktest.Sample {
	body, err := files.ReadFile("samples/" + name + ".json")
	if err != nil {
		panic(err) // the file is missing from this package
	}
	return webhooktest.Sample{Name: name, Type: eventType, Body: body}
}
