package convosphere_test

import (
	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

const secret = "a-secret-for-tests"

// kit is the kit that sends as Convosphere does.
var kit = vendortest.Kit{
	Vendor: convospheretest.Vendor(),
	Secret: secret,
	New: func(o *webhook.Options) (webhook.VendorHandler, error) {
		return convosphere.NewHandler(secret, o)
	},
}
