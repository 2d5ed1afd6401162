// Package vendors is the table of the vendors that the command-line tool knows. One more is one more line.
package vendors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A Handler is what the tool needs of a vendor's own.
type Handler interface {
	http.Handler
	Process(ctx context.Context, r webhook.Request) webhook.Result
	Explain(r webhook.Request, now time.Time) diagnose.Explanation
	OnEvent(fn func(context.Context, webhook.AnyEvent) error)
	OnUnhandled(fn func(context.Context, *webhook.Delivery) error)
}

// A Vendor is one of them.
type Vendor struct {
	webhooktest.Vendor

	// New returns a handler that authenticates by the secret: the signing secret, or the token in the URL.
	New func(secret string, o *webhook.Options) (Handler, error)
}

// Name is the vendor's name in commands.
func (v *Vendor) Name() string { return v.Profile.Name }

// Signs reports whether the vendor signs its deliveries. Otherwise the secret rides in the URL.
func (v *Vendor) Signs() bool { return v.Profile.Scheme != nil }

// All returns the vendors, in the order in which they are shown.
func All() []Vendor {
	return []Vendor{
		{greenflashtest.Vendor(), maker(greenflash.NewHandler)},
		{emberqatest.Vendor(), func(token string, o *webhook.Options) (Handler, error) {
			return orNil(emberqa.NewHandler(emberqa.Token(token), o))
		}},
		{convospheretest.Vendor(), maker(convosphere.NewHandler)},
		{workfluxtest.Vendor(), maker(workflux.NewHandler)},
	}
}

func maker[H Handler](newHandler func(string, *webhook.Options) (H, error)) func(string, *webhook.Options) (Handler, error) {
	return func(secret string, o *webhook.Options) (Handler, error) { return orNil(newHandler(secret, o)) }
}

func orNil[H Handler](h H, err error) (Handler, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// ErrUnknown is what the error of [Find] wraps.
var ErrUnknown = errors.New("unknown vendor")

// Find returns the vendor of that name.
func Find(name string) (*Vendor, error) {
	all := All()
	for i := range all {
		if all[i].Name() == strings.ToLower(name) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("%w %q; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names returns the names of all vendors.
func Names() []string {
	var names []string
	for _, v := range All() {
		names = append(names, v.Name())
	}
	return names
}

// Sample returns the vendor's sample of that name, or else the first of that type.
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
	return nil, fmt.Errorf("%s has no event %q; see `aihooks send %s --list`", v.Name(), name, v.Name())
}
