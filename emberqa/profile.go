package emberqa

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Profile returns everything that the handler knows about EmberQA, for test kits and tools. It follows EmberQA's webhook
// page. Comments mark where the page is silent.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "emberqa",
		Envelope: vendors.EnvelopeNames{
			Type: []string{"alert_type", "trigger_reason"},
			ID:   []string{"webhook_id"},
			Time: []string{"timestamp"}, // only alerts have one; it is not signed, so there is no window
		},
		DedupKeys:     vendors.ByEventID,
		RespondWithin: 30 * time.Second,
		RetryWindow:   24 * time.Hour,  // receivers must keep ids for that long
		Attempts:      2,               // the page can mean two or three
		ShortestPause: 2 * time.Second, // silent: longer than a proxy waits before it sends a copy
		Events:        events,
	}
}
