// Package standardwebhookstest sends deliveries by the Standard Webhooks specification, for tests of receivers. See
// [NewSender].
package standardwebhookstest

import (
	"embed"

	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns the payloads that the specification shows. Each call returns copies.
func Samples() []webhooktest.Sample {
	return webhooktest.ReadSamples(files, standardwebhooks.Profile(), "contact.created", "example.event")
}
