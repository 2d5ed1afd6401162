package workflux_test

import (
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const secret = "a-secret-for-tests"

// kit is the kit that sends as WorkFlux does.
var kit = vendortest.Kit{
	Vendor: workfluxtest.Vendor(),
	Secret: secret,
	New: func(o *webhook.Options) (webhook.VendorHandler, error) {
		return workflux.NewHandler(secret, o)
	},
}
