package convosphere_test

import (
	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/internal/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const secret = "a-secret-for-tests"

// kit is Convosphere on the other side.
var kit = vendortest.Kit{
	Sender:  webhooktest.Signer{Profile: convosphere.Profile(), Key: signature.NewKey("default", secret)},
	Samples: convospheretest.Samples(),
	New: func(o *webhook.Options) (vendortest.Handler, error) {
		return convosphere.NewHandler(secret, o)
	},
}
