package greenflashtest

import (
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor returns how Greenflash sends. Its page is silent about retries: whether there are any, when, and after which
// answers; that a 2xx is a success is all it says. The first schedule has no retries, the second is that of its peers.
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
