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
	"github.com/aihooks/aihooks-go/internal/vendortest"
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

	// NewHandler is the vendor's own NewHandler. What it returns is the vendor's own *Handler, with its On methods; a
	// nil one beside an error.
	NewHandler func(secret string, o *webhook.Options) (vendortest.Handler, error)

	// Configure is the vendor's own Config.NewHandler, as NewHandler above.
	Configure func(c Config, o *webhook.Options) (vendortest.Handler, error)

	// Readings are the ways in which the vendor's page on retries can be read.
	Readings []Reading

	// Retried reports whether the vendor sends a delivery again after that answer.
	Retried func(status int) bool
}

// A Config has the fields that the vendors' Configs share. What a vendor has no such field for is ignored.
type Config struct {
	Endpoint string
	Keys     []signature.Key // the secrets are tokens where the vendor does not sign
	Window   time.Duration
	Attempts int
}

// A Reading says when the attempts at one delivery are made, counted from the first.
type Reading struct {
	Name     string
	Attempts []time.Duration
}

// Key is the key by which every handler made here knows its vendor, unless it is made with another.
func Key() signature.Key { return signature.NewKey("default", Secret) }

// New returns a handler with [Secret].
func (v *Vendor) New(o *webhook.Options) (vendortest.Handler, error) { return v.NewHandler(Secret, o) }

// Sender returns a sender of the vendor's deliveries to the handlers made here.
func (v *Vendor) Sender() *webhooktest.Sender {
	return &webhooktest.Sender{
		Profile: v.Profile,
		URL:     "http://receiver.test/webhooks/" + v.Name + "/" + Secret,
		Key:     Key(),
	}
}

// Kit returns the vendor's kit, with the handlers of [Vendor.New].
func (v *Vendor) Kit() *vendortest.Kit {
	return &vendortest.Kit{Sender: *v.Sender(), Samples: v.Samples, New: v.New}
}

// All returns the four vendors.
func All() []Vendor {
	return []Vendor{
		{
			Name: "greenflash", Profile: greenflash.Profile(), Samples: greenflashtest.Samples(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return greenflash.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return greenflash.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
			Readings: []Reading{ // silent
				{"it never retries", minutes(0)},
				{"it retries as its peers do", minutes(0, 1, 3, 7, 15)},
			},
			Retried: notSuccess,
		},
		{
			Name: "emberqa", Profile: emberqa.Profile(), Samples: emberqatest.Samples(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return emberqa.NewHandler(emberqa.Token(secret), o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return emberqa.Config{Endpoint: c.Endpoint, Credentials: tokens(c.Keys), Attempts: c.Attempts}.NewHandler(o)
			},
			Readings: []Reading{ // the pauses are silent
				{"two attempts in all", minutes(0, 1)},
				{"two retries", minutes(0, 1, 2)},
			},
			Retried: notSuccess,
		},
		{
			Name: "convosphere", Profile: convosphere.Profile(), Samples: convospheretest.Samples(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return convosphere.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return convosphere.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
			Readings: []Reading{{"five retries", minutes(0, 1, 3, 7, 15, 31)}},
			Retried: func(status int) bool {
				return status >= 500 || status == http.StatusTooManyRequests
			},
		},
		{
			Name: "workflux", Profile: workflux.Profile(), Samples: workfluxtest.Samples(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return workflux.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return workflux.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
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

func tokens(keys []signature.Key) []emberqa.Credential {
	credentials := make([]emberqa.Credential, len(keys))
	for i, k := range keys {
		credentials[i] = emberqa.Token(k.Secret.Reveal()).Named(k.Name)
	}
	return credentials
}

func notSuccess(status int) bool { return status < 200 || status > 299 }

func minutes(at ...int) []time.Duration {
	d := make([]time.Duration, len(at))
	for i, m := range at {
		d[i] = time.Duration(m) * time.Minute
	}
	return d
}
