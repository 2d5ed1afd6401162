// Package allvendors puts the four vendors side by side, for tests of what must hold for each of them.
package allvendors

import (
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// Secret is what every handler made here is given, as a signing secret or as a token.
const Secret = "allvendors-secret-0123456789"

// A Vendor is one of the four.
type Vendor struct {
	Name    string
	Profile webhook.Profile
	Samples []webhooktest.Sample
	New     func(o *webhook.Options) (*webhook.Handler, error)

	// Readings are the ways in which the vendor's page on retries can be read.
	Readings []Reading

	// Retried reports whether the vendor sends a delivery again after that answer.
	Retried func(status int) bool
}

// A Reading says when the attempts at one delivery are made, counted from the first.
type Reading struct {
	Name     string
	Attempts []time.Duration
}

// Sender returns a sender of the vendor's deliveries to the handlers made here.
func (v *Vendor) Sender() *webhooktest.Sender {
	return &webhooktest.Sender{
		Profile: v.Profile,
		URL:     "http://receiver.test/webhooks/" + v.Name + "/" + Secret,
		Key:     signature.NewKey("default", Secret),
	}
}

// All returns the four vendors.
func All() []Vendor {
	return []Vendor{
		{
			Name: "greenflash", Profile: greenflash.Profile(), Samples: greenflashtest.Samples(),
			New: func(o *webhook.Options) (*webhook.Handler, error) {
				h, err := greenflash.NewHandler(Secret, o)
				if err != nil {
					return nil, err
				}
				return h.Handler, nil
			},
			Readings: []Reading{ // silent
				{"it never retries", minutes(0)},
				{"it retries as its peers do", minutes(0, 1, 3, 7, 15)},
			},
			Retried: notSuccess,
		},
		{
			Name: "emberqa", Profile: emberqa.Profile(), Samples: emberqatest.Samples(),
			New: func(o *webhook.Options) (*webhook.Handler, error) {
				h, err := emberqa.NewHandler(emberqa.Token(Secret), o)
				if err != nil {
					return nil, err
				}
				return h.Handler, nil
			},
			Readings: []Reading{ // the pauses are silent
				{"two attempts in all", minutes(0, 1)},
				{"two retries", minutes(0, 1, 2)},
			},
			Retried: notSuccess,
		},
		{
			Name: "convosphere", Profile: convosphere.Profile(), Samples: convospheretest.Samples(),
			New: func(o *webhook.Options) (*webhook.Handler, error) {
				h, err := convosphere.NewHandler(Secret, o)
				if err != nil {
					return nil, err
				}
				return h.Handler, nil
			},
			Readings: []Reading{{"five retries", minutes(0, 1, 3, 7, 15, 31)}},
			Retried: func(status int) bool {
				return status >= 500 || status == http.StatusTooManyRequests
			},
		},
		{
			Name: "workflux", Profile: workflux.Profile(), Samples: workfluxtest.Samples(),
			New: func(o *webhook.Options) (*webhook.Handler, error) {
				h, err := workflux.NewHandler(Secret, o)
				if err != nil {
					return nil, err
				}
				return h.Handler, nil
			},
			Readings: []Reading{
				{"each pause from the attempt before", minutes(0, 1, 6, 21, 81)},
				{"each pause from the first attempt", minutes(0, 1, 5, 15, 60)},
			},
			Retried: func(status int) bool {
				switch status {
				case 408, 429, 500, 502, 503, 504:
					return true
				default:
					return false
				}
			},
		},
	}
}

func notSuccess(status int) bool { return status < 200 || status > 299 }

func minutes(at ...int) []time.Duration {
	d := make([]time.Duration, len(at))
	for i, m := range at {
		d[i] = time.Duration(m) * time.Minute
	}
	return d
}
