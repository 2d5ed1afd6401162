package main

import (
	"net/http"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// secret is a constant only in this example. Read yours from the environment or a secret store.
const secret = "quickstart-secret-4f1e85c7"

// A vendor has what differs between the vendors.
type vendor struct {
	profile vendors.Profile
	path    string // where the vendor sends deliveries
	samples []webhooktest.Sample
	mount   func(mux *http.ServeMux, o *webhook.Options) (*webhook.Handler, error)
}

func allVendors() []vendor {
	return []vendor{
		{greenflash.Profile(), "/webhooks/greenflash", greenflashtest.Samples(),
			func(mux *http.ServeMux, o *webhook.Options) (*webhook.Handler, error) {
				hook, err := greenflash.NewHandler(secret, o)
				if err != nil {
					return nil, err
				}
				mux.Handle("/webhooks/greenflash", hook)
				return hook.Handler, nil
			}},
		{emberqa.Profile(), "/webhooks/emberqa/" + secret, emberqatest.Samples(),
			func(mux *http.ServeMux, o *webhook.Options) (*webhook.Handler, error) {
				hook, err := emberqa.NewHandler(emberqa.Token(secret), o)
				if err != nil {
					return nil, err
				}
				mux.Handle("/webhooks/emberqa/{token}", hook)
				return hook.Handler, nil
			}},
		{convosphere.Profile(), "/webhooks/convosphere", convospheretest.Samples(),
			func(mux *http.ServeMux, o *webhook.Options) (*webhook.Handler, error) {
				hook, err := convosphere.NewHandler(secret, o)
				if err != nil {
					return nil, err
				}
				mux.Handle("/webhooks/convosphere", hook)
				return hook.Handler, nil
			}},
		{workflux.Profile(), "/webhooks/workflux", workfluxtest.Samples(),
			func(mux *http.ServeMux, o *webhook.Options) (*webhook.Handler, error) {
				hook, err := workflux.NewHandler(secret, o)
				if err != nil {
					return nil, err
				}
				mux.Handle("/webhooks/workflux", hook)
				return hook.Handler, nil
			}},
	}
}
