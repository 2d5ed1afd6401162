package convospheretest

import (
	"net/http"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor describes how Convosphere sends. By its page there are up to five retries, after 1, 2, 4, 8 and 16 minutes. It
// retries after a 5xx and a 429, and not after another 4xx. It is silent about 3xx, and about 2xx other than 200. We assume
// no retry after these.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile:   convosphere.Profile(),
		Samples:   Samples(),
		Schedules: []webhooktest.Schedule{{Name: "five retries", Attempts: webhooktest.Minutes(0, 1, 3, 7, 15, 31)}},
		Retried:   func(status int) bool { return status >= 500 || status == http.StatusTooManyRequests },
	}
}
