// Package workfluxtest has a sample of every event that WorkFlux lists, for tests of receivers. To send them as WorkFlux
// does, see webhook/webhooktest.
package workfluxtest

import (
	"embed"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns one sample for each type of event, in the order of the Webhooks Guide. The four that the guide has are
// documented, and are its examples to the letter; the others are best guesses. Each call returns copies.
func Samples() []webhooktest.Sample {
	return webhooktest.ReadSamples(files, workflux.Profile(), workflux.TypeConversationStarted,
		workflux.TypeConversationCompleted, workflux.TypeAgentResponse, workflux.TypeIntegrationSync)
}
