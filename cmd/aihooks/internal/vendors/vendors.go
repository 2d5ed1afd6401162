// Package vendors lists the vendors that the command-line tool supports. To add a vendor, add an entry to All.
package vendors

import (
	"errors"
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

	// New returns a handler that authenticates by the secret: the signing secret, or the token in the URL.
	New func(secret string, o *webhook.Options) (webhook.VendorHandler, error)
}

// Name returns the vendor's name in commands.
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

// ErrUnknown is wrapped by the error of [Find].
var ErrUnknown = errors.New("unknown vendor")

// Find returns the vendor with a name, whatever its case. The error matches [ErrUnknown].
func Find(name string) (*Vendor, error) {
	all := All()
	for i := range all {
		if all[i].Name() == strings.ToLower(name) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("%w %q: it must be one of %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names returns the names of all vendors.
func Names() []string {
	var names []string
	for _, v := range All() {
		names = append(names, v.Name())
	}
	return names
}

// Sample returns the vendor's sample with a name, or else the first sample of a type with that name.
func (v *Vendor) Sample(name string) (*webhooktest.Sample, error) {
	for i := range v.Samples {
		if v.Samples[i].Name == name {
			return &v.Samples[i], nil
		}
	}
	for i := range v.Samples {
		if v.Samples[i].Type == name {
			return &v.Samples[i], nil
		}
	}
	return nil, fmt.Errorf("%s has no event %q: `aihooks send %s --list` lists them", v.Name(), name, v.Name())
}
