package convosphere

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Profile returns everything that the handler knows about Convosphere, for test kits and tools. Retries and times follow
// Convosphere's webhook page. The header and the envelope follow its public API. Comments mark where both are silent.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "convosphere",
		Scheme: &signature.Scheme{
			Header: "X-Convosphere-Signature",
			Forms:  []signature.Form{{Name: "body"}},
		},
		Envelope: vendors.EnvelopeNames{
			Type: []string{"type"},
			ID:   []string{"id"},
			Time: []string{"timestamp"},
			Data: []string{"data"},
		},
		DedupKeys:     vendors.ByEventID,
		Window:        time.Hour, // silent: longer than the retries take
		RespondWithin: 5 * time.Second,
		RetryWindow:   31 * time.Minute, // 1 + 2 + 4 + 8 + 16
		Attempts:      6,                // the first, and five retries
		ShortestPause: time.Minute,
		GiveUpAfter:   23 * time.Minute, // the fifth attempt comes after 15 min, the sixth after 31 min
		Events:        events,
	}
}
