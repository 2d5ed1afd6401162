// Package allvendors puts the four vendors side by side, for tests of what must hold for each of them.
package allvendors

import (
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
	webhooktest.Vendor
	Name string

	// NewHandler is the vendor's own NewHandler. What it returns is the vendor's own *Handler, with its On methods; a
	// nil one beside an error.
	NewHandler func(secret string, o *webhook.Options) (vendortest.Handler, error)

	// Configure is the vendor's own Config.NewHandler, as NewHandler above.
	Configure func(c Config, o *webhook.Options) (vendortest.Handler, error)
}

// A Config has the fields that the vendors' Configs share. What a vendor has no such field for is ignored.
type Config struct {
	Endpoint string
	Keys     []signature.Key // the secrets are tokens where the vendor does not sign
	Window   time.Duration
	Attempts int
}

// Key is the key by which every handler made here knows its vendor, unless it is made with another.
func Key() signature.Key { return signature.NewKey("default", Secret) }

// New returns a handler with [Secret].
func (v *Vendor) New(o *webhook.Options) (vendortest.Handler, error) { return v.NewHandler(Secret, o) }

// Signer returns a signer of the vendor's deliveries to the handlers made here.
func (v *Vendor) Signer() *webhooktest.Signer {
	return v.Vendor.Signer("http://receiver.test/webhooks/"+v.Name, Key())
}

// Kit returns the vendor's kit, with the handlers of [Vendor.New].
func (v *Vendor) Kit() *vendortest.Kit {
	return &vendortest.Kit{Vendor: v.Vendor, Secret: Secret, New: v.New}
}

// All returns the four vendors.
func All() []Vendor {
	return []Vendor{
		{
			Name: "greenflash", Vendor: greenflashtest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return greenflash.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return greenflash.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "emberqa", Vendor: emberqatest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return emberqa.NewHandler(emberqa.Token(secret), o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return emberqa.Config{Endpoint: c.Endpoint, Credentials: tokens(c.Keys), Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "convosphere", Vendor: convospheretest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return convosphere.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return convosphere.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "workflux", Vendor: workfluxtest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (vendortest.Handler, error) {
				return workflux.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (vendortest.Handler, error) {
				return workflux.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
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
