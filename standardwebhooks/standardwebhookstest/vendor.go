package standardwebhookstest

import (
	"time"

	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor describes a sender that follows the specification, with the schedule of its example. It retries after every status
// except 2xx.
func Vendor() webhooktest.Vendor {
	after := func(hours, minutes, seconds int) time.Duration {
		return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second
	}
	return webhooktest.Vendor{
		Profile: standardwebhooks.Profile(),
		Samples: Samples(),
		Schedules: []webhooktest.Schedule{{Name: "the example", Attempts: []time.Duration{
			0, after(0, 0, 5), after(0, 5, 5), after(0, 35, 5), after(2, 35, 5), after(7, 35, 5), after(17, 35, 5), after(31, 35, 5),
			after(51, 35, 5), after(75, 35, 5),
		}}},
	}
}
