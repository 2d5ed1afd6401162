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

// Samples returns at least one sample of each event type. They are the examples on EmberQA's webhook page, byte for
// byte.
func Samples() []webhooktest.Sample {
	return []webhooktest.Sample{
		sample(emberqa.TypeRedFlag, "red_flag"),
		sample(emberqa.TypeLowScore, "low_score"),
		sample(emberqa.TypeCompletion, "completion_workflow"),
		sample(emberqa.TypeCompletion, "completion_call"),
	}
}

func sample(eventType, name string) webhooktest.Sample {
	body, err := files.ReadFile("samples/" + name + ".json")
	if err != nil {
		panic(err) // the file is missing from this package
	}
	return webhooktest.Sample{Name: name, Type: eventType, Documented: true, Body: body}
}
