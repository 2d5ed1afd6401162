package convosphere

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// Profile returns all that the handler knows of Convosphere: for test kits and tools. Retries and times follow
// Convosphere's webhook page, header and envelope its public API; what neither says is marked.
func Profile() webhook.Profile {
	return webhook.Profile{
		Name: "convosphere",
		Scheme: &signature.Scheme{
			Header: "X-Convosphere-Signature",
			Forms:  []signature.Form{{Name: "body"}},
		},
		Envelope: webhook.EnvelopeNames{
			Type: []string{"type"},
			ID:   []string{"id"},
			Time: []string{"timestamp"},
			Data: []string{"data"},
		},
		Identify:      webhook.ByEventID,
		Window:        time.Hour, // silent: longer than the retries take
		AnswerWithin:  5 * time.Second,
		Horizon:       31 * time.Minute, // 1 + 2 + 4 + 8 + 16
		Attempts:      6,                // the first, and five retries
		ShortestPause: time.Minute,
		LastAge:       23 * time.Minute, // the fifth comes after 15 min, the sixth after 31
		Events:        events,
	}
}
