package workfluxtest

import (
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

// Vendor describes how WorkFlux sends. Its guide lists five attempts: at once, and after 1, 5, 15 and 60 minutes. It lists
// the status codes after which WorkFlux retries. We assume no retry after other codes. The guide is silent about where
// each pause begins, so there are two schedules.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile: workflux.Profile(),
		Samples: Samples(),
		Schedules: []webhooktest.Schedule{
			{Name: "each pause from the attempt before", Attempts: webhooktest.Minutes(0, 1, 6, 21, 81)},
			{Name: "each pause from the first attempt", Attempts: webhooktest.Minutes(0, 1, 5, 15, 60)},
		},
		Retried: func(status int) bool {
			switch status {
			case 408, 429, 500, 502, 503, 504:
				return true
			default:
				return false
			}
		},
	}
}
