// Package allvendors lists the four vendors, for tests of what must hold for each of them.
package allvendors

import (
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// Secret is the signing secret or the token of every handler that this package makes.
const Secret = "allvendors-secret-0123456789"

// A Vendor is one of the four.
type Vendor struct {
	webhooktest.Vendor
	Name string

	// NewHandler calls the vendor's NewHandler. It returns the vendor's *Handler with its On methods, which is nil after an
	// error.
	NewHandler func(secret string, o *webhook.Options) (webhook.VendorHandler, error)

	// Configure calls the vendor's Config.NewHandler.
	Configure func(c Config, o *webhook.Options) (webhook.VendorHandler, error)
}

// A Config has the fields that the vendors' Configs share. A field that a vendor does not have is ignored.
type Config struct {
	Endpoint string
	Keys     []signature.Key // the secrets are tokens if the vendor does not sign
	Window   time.Duration
	Attempts int
}

// Key returns the default key of the handlers, with [Secret].
func Key() signature.Key { return signature.NewKey("default", Secret) }

// New returns a handler with [Secret].
func (v *Vendor) New(o *webhook.Options) (webhook.VendorHandler, error) {
	return v.NewHandler(Secret, o)
}

// Signer returns a signer with the default key.
func (v *Vendor) Signer() *webhooktest.Signer {
	return v.Vendor.Signer("http://receiver.test/webhooks/"+v.Name, Key())
}

// Kit returns the vendor's kit. Its handlers come from [Vendor.New].
func (v *Vendor) Kit() *vendortest.Kit {
	return &vendortest.Kit{Vendor: v.Vendor, Secret: Secret, New: v.New}
}

// All returns the four vendors.
func All() []Vendor {
	return []Vendor{
		{
			Name: "greenflash", Vendor: greenflashtest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (webhook.VendorHandler, error) {
				return greenflash.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (webhook.VendorHandler, error) {
				return greenflash.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "emberqa", Vendor: emberqatest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (webhook.VendorHandler, error) {
				return emberqa.NewHandler(emberqa.Token(secret), o)
			},
			Configure: func(c Config, o *webhook.Options) (webhook.VendorHandler, error) {
				return emberqa.Config{Endpoint: c.Endpoint, Credentials: tokens(c.Keys), Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "convosphere", Vendor: convospheretest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (webhook.VendorHandler, error) {
				return convosphere.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (webhook.VendorHandler, error) {
				return convosphere.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
			},
		},
		{
			Name: "workflux", Vendor: workfluxtest.Vendor(),
			NewHandler: func(secret string, o *webhook.Options) (webhook.VendorHandler, error) {
				return workflux.NewHandler(secret, o)
			},
			Configure: func(c Config, o *webhook.Options) (webhook.VendorHandler, error) {
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
