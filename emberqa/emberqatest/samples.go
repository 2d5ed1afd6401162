// Package emberqatest has sample payloads of EmberQA for tests of receivers. [NewSender] sends them as EmberQA does, with
// the credential in the URL.
package emberqatest

import (
	"embed"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns at least one sample of each event type, in the order of the types. The bytes are those of the examples
// on EmberQA's webhook page. Each call returns copies.
func Samples() []webhooktest.Sample {
	return webhooktest.ReadSamples(files, emberqa.Profile(), "red_flag", "low_score", "completion_call", "completion_workflow")
}
