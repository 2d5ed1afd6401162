package convospheretest

import (
	"net/http"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor returns how Convosphere sends. By its page there are up to five retries, after 1, 2, 4, 8 and 16 minutes; 5xx
// and 429 are retried, and any other 4xx ends it. It is silent about 2xx other than 200, and about 3xx; that they end it
// is our reading.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile:   convosphere.Profile(),
		Samples:   Samples(),
		Schedules: []webhooktest.Schedule{{Name: "five retries", Attempts: webhooktest.Minutes(0, 1, 3, 7, 15, 31)}},
		Retried:   func(status int) bool { return status >= 500 || status == http.StatusTooManyRequests },
	}
}
