// Package allvendors lists the vendors, for the command-line tool and for tests. To add a vendor, add an entry to [All]. The
// tests of this package test what must hold for every vendor.
package allvendors

import (
	"fmt"
	"strings"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A Vendor has the test kit and the handler of a vendor.
type Vendor struct {
	webhooktest.Vendor

	// NewHandler returns a handler that authenticates by the secret: the signing secret, or the token in the URL.
	NewHandler func(secret string, o *webhook.Options) (webhook.VendorHandler, error)
}

// Name returns the vendor's name, as in commands and in paths.
func (v *Vendor) Name() string { return v.Profile.Name }

// Signs reports whether the vendor signs its deliveries. Otherwise, the secret is a token in the URL.
func (v *Vendor) Signs() bool { return v.Profile.Scheme != nil }

// All returns all vendors, in display order.
func All() []Vendor {
	return []Vendor{
		{greenflashtest.Vendor(), maker(greenflash.NewHandler)},
		{emberqatest.Vendor(), func(token string, o *webhook.Options) (webhook.VendorHandler, error) {
			return orNil(emberqa.NewHandler(emberqa.Token(token), o))
		}},
		{convospheretest.Vendor(), maker(convosphere.NewHandler)},
		{workfluxtest.Vendor(), maker(workflux.NewHandler)},
	}
}

func maker[H webhook.VendorHandler](newHandler func(string, *webhook.Options) (H, error)) func(string, *webhook.Options) (webhook.VendorHandler, error) {
	return func(secret string, o *webhook.Options) (webhook.VendorHandler, error) {
		return orNil(newHandler(secret, o))
	}
}

func orNil[H webhook.VendorHandler](h H, err error) (webhook.VendorHandler, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Find returns the vendor with a name, whatever its case.
func Find(name string) (*Vendor, error) {
	all := All()
	for i := range all {
		if all[i].Name() == strings.ToLower(name) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("unknown vendor %q: it must be one of %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all vendors.
func Names() []string {
	var names []string
	for _, v := range All() {
		names = append(names, v.Name())
	}
	return names
}
