package emberqatest

import (
	"strings"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor returns how EmberQA sends. Its page says "Retry Attempts: 2", which can be read as two or as three deliveries
// in all, and that 200-299 is a success. It is silent about the pauses; a minute each is our choice.
//
// EmberQA signs nothing: the token is the last segment of the URL's path. It is appended without a slash to a URL that
// ends in one, or in "=" where the token is a query parameter.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile: emberqa.Profile(),
		Samples: Samples(),
		Schedules: []webhooktest.Schedule{
			{Name: "two attempts in all", Attempts: webhooktest.Minutes(0, 1)},
			{Name: "two retries", Attempts: webhooktest.Minutes(0, 1, 2)},
		},
		Retried: func(status int) bool { return status < 200 || status > 299 },
		Address: address,
	}
}

func address(base, token string) string {
	if strings.HasSuffix(base, "/") || strings.HasSuffix(base, "=") {
		return base + token
	}
	return base + "/" + token
}
