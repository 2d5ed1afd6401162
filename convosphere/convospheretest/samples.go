// Package convospheretest has a sample of each event that Convosphere lists, for tests of receivers. [NewSender] sends them
// as Convosphere does.
package convospheretest

import (
	"embed"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns one sample for each type of event, in the order of Convosphere's webhook page. The page has no
// examples, so no sample counts as documented. message.created and message.completed have the fields that Convosphere's
// public API shows, with our values. The others are best guesses. Each call returns copies.
func Samples() []webhooktest.Sample { return webhooktest.ReadSamples(files, convosphere.Profile()) }
