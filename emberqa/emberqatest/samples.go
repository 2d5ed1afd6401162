// Package emberqatest has sample payloads of EmberQA, for tests of receivers. To send them as EmberQA does, see
// webhook/webhooktest; the URL has to carry the credential.
package emberqatest

import (
	"embed"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns at least one sample of each event type, in the order of the types. They are the examples on EmberQA's
// webhook page, byte for byte. Each call returns copies.
func Samples() []webhooktest.Sample {
	return webhooktest.ReadSamples(files, emberqa.Profile(), "red_flag", "low_score", "completion_call", "completion_workflow")
}
