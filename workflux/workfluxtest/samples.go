// Package workfluxtest has a sample of each event that WorkFlux lists, for tests of receivers. [NewSender] sends them as
// WorkFlux does.
package workfluxtest

import (
	"embed"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns one sample for each type of event, in the order of the Webhooks Guide. Four samples are
// documented: they have the bytes of the guide's examples. The others are best guesses. Each call returns copies.
func Samples() []webhooktest.Sample {
	return webhooktest.ReadSamples(files, workflux.Profile(), workflux.TypeConversationStarted,
		workflux.TypeConversationCompleted, workflux.TypeAgentResponse, workflux.TypeIntegrationSync)
}
