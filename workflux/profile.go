package workflux

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Profile returns everything that the handler knows about WorkFlux, for test kits and tools. It follows WorkFlux's
// Webhooks Guide. Comments mark where the guide is silent.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "workflux",
		Scheme: &signature.Scheme{
			Header: "X-Workflux-Signature",
			Forms:  []signature.Form{{Name: "body"}},
		},
		Envelope: vendors.EnvelopeNames{
			Type: []string{"event"},
			Time: []string{"timestamp"},
			Data: []string{"data"},
		},
		DedupKeys:        vendors.ByContent, // silent: there is no id
		Window:           2 * time.Hour,     // silent: longer than the retries take, in both readings
		RespondWithin:    5 * time.Second,   // silent: as other vendors
		RetryWindow:      81 * time.Minute,  // 0 + 1 + 5 + 15 + 60, if each pause starts at the previous attempt
		Attempts:         5,
		ShortestPause:    time.Minute,
		GiveUpAfter:      40 * time.Minute, // the fourth attempt comes after at most 21 min, the fifth after at least 60 min
		DisablesEndpoint: true,
		Events:           events,
	}
}
