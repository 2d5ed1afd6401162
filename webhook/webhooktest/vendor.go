package webhooktest

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Vendor is all that is known of how a vendor sends: its profile, and what receiving needs not know.
type Vendor struct {
	Profile vendors.Profile

	// Samples are bodies of every type of event.
	Samples []Sample

	// Schedules are the ways in which the vendor's page on retries can be read. Without any, nothing is sent again.
	Schedules []Schedule

	// Retried reports whether the vendor sends a delivery again after that answer. Defaults to all answers but 2xx.
	Retried func(status int) bool

	// Address returns the URL that the vendor is given, for vendors that do not sign and whose credential rides in it;
	// base is the URL without, and may have a query and a fragment. Nil if the URL carries none.
	Address func(base, credential string) string
}

// A Schedule says when the attempts at one delivery are made, counted from the first.
type Schedule struct {
	Name     string
	Attempts []time.Duration
}

// Signer returns a signer of the vendor's deliveries to the endpoint at base. The key's secret is the credential where
// the vendor does not sign; with a blank one the URL stays base.
func (v *Vendor) Signer(base string, key signature.Key) *Signer {
	if v.Address != nil && !key.Secret.Blank() {
		base = v.Address(base, key.Secret.Reveal())
	}
	return &Signer{Profile: v.Profile, URL: base, Key: key}
}

func (v *Vendor) retried(status int) bool {
	if v.Retried == nil {
		return status < 200 || status > 299
	}
	return v.Retried(status)
}

// Minutes returns as many attempts, each that many minutes after the first.
func Minutes(after ...int) []time.Duration {
	attempts := make([]time.Duration, len(after))
	for i, n := range after {
		attempts[i] = time.Duration(n) * time.Minute
	}
	return attempts
}
