// Package workfluxtest has a sample of every event that WorkFlux lists, for tests of receivers.
package workfluxtest

import (
	"embed"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

//go:embed samples/*.json
var files embed.FS

// documented are the types whose sample stands in the Webhooks Guide.
var documented = map[string]bool{
	workflux.TypeConversationStarted:   true,
	workflux.TypeConversationCompleted: true,
	workflux.TypeAgentResponse:         true,
	workflux.TypeIntegrationSync:       true,
}

// Samples returns one sample for each type of event, in the order of the Webhooks Guide. The four that the guide has are
// documented, and are its examples to the letter; the others are best guesses. Each call returns copies.
func Samples() []webhooktest.Sample {
	var samples []webhooktest.Sample
	for _, kind := range workflux.Profile().Events {
		body, err := files.ReadFile("samples/" + kind.Name() + ".json")
		if err != nil {
			panic(err) // a type without a sample
		}
		samples = append(samples, webhooktest.Sample{
			Name: kind.Name(), Type: kind.Name(), Documented: documented[kind.Name()], Body: body,
		})
	}
	return samples
}
