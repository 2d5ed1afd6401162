package greenflashtest

import (
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor describes how Greenflash sends. Its page only says that a 2xx is a success. It is silent about retries. The first
// schedule has no retries. The second has the retries of other vendors.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile: greenflash.Profile(),
		Samples: Samples(),
		Schedules: []webhooktest.Schedule{ // silent
			{Name: "it never retries", Attempts: webhooktest.Minutes(0)},
			{Name: "it retries as its peers do", Attempts: webhooktest.Minutes(0, 1, 3, 7, 15)},
		},
		Retried: func(status int) bool { return status < 200 || status > 299 },
	}
}
