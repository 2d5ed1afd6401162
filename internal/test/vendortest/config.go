package vendortest

import (
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// A Config has the fields that the vendors' Configs share. A field that a vendor does not have is ignored.
type Config struct {
	Endpoint string
	Keys     []signature.Key // the secrets are tokens if the vendor does not sign
	Window   time.Duration
	Attempts int
}

// Configure calls the NewHandler of the vendor's Config.
func (k *Kit) Configure(c Config, o *webhook.Options) (webhook.VendorHandler, error) {
	switch k.Name() {
	case "greenflash":
		return greenflash.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
	case "emberqa":
		credentials := make([]emberqa.Credential, len(c.Keys))
		for i, key := range c.Keys {
			credentials[i] = emberqa.Token(key.Secret.Reveal()).Named(key.Name)
		}
		return emberqa.Config{Endpoint: c.Endpoint, Credentials: credentials, Attempts: c.Attempts}.NewHandler(o)
	case "convosphere":
		return convosphere.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
	case "workflux":
		return workflux.Config{Endpoint: c.Endpoint, Keys: c.Keys, Window: c.Window, Attempts: c.Attempts}.NewHandler(o)
	default:
		panic("vendortest: Configure has no case for " + k.Name())
	}
}
