// Package greenflashtest has sample payloads of Greenflash for tests of receivers. [NewSender] sends them as Greenflash
// does.
package greenflashtest

import (
	"embed"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

//go:embed samples/*.json
var files embed.FS

// Samples returns at least one sample of each event type, in the order of the types. Greenflash documents no payload, so
// all samples are our best guess. Each call returns copies.
func Samples() []webhooktest.Sample { return webhooktest.ReadSamples(files, greenflash.Profile()) }
