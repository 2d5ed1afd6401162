// Package convospheretest has a sample of every event that Convosphere lists, for tests of receivers. To send them as
// Convosphere does, see webhook/webhooktest.
package convospheretest

import (
	"embed"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns one sample for each type of event, in the order of Convosphere's webhook page. The page has no
// example, so none counts as documented: message.created and message.completed have the fields that Convosphere's
// public API shows, with values of ours, and the others are best guesses. Each call returns copies.
func Samples() []webhooktest.Sample { return webhooktest.ReadSamples(files, convosphere.Profile()) }
