package workflux

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Profile returns all that the handler knows of WorkFlux: for test kits and tools. It follows WorkFlux's Webhooks Guide;
// what the guide is silent about is marked.
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
		Window:           2 * time.Hour,     // silent: longer than the retries take, however they are counted
		RespondWithin:    5 * time.Second,   // silent: as its peers
		RetryWindow:      81 * time.Minute,  // 0 + 1 + 5 + 15 + 60, if each pause is counted from the attempt before
		Attempts:         5,
		ShortestPause:    time.Minute,
		GiveUpAfter:      40 * time.Minute, // the fourth comes after 21 min at the latest, the fifth after 60 at the earliest
		DisablesEndpoint: true,
		Events:           events,
	}
}
