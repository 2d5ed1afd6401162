package webhooktest

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Vendor describes how a vendor sends. It adds to the profile what only a sender needs.
type Vendor struct {
	Profile vendors.Profile

	// Samples has at least one body of every event type.
	Samples []Sample

	// Schedules are the possible readings of the vendor's page on retries. Without a schedule, the vendor never retries.
	Schedules []Schedule

	// Retried reports whether the vendor retries after a response with that status. Defaults to all statuses except 2xx.
	Retried func(status int) bool

	// Address returns the URL with the credential, for vendors that do not sign. The base is the URL without the credential,
	// and may have a query and a fragment. Nil means that the URL has no credential.
	Address func(base, credential string) string
}

// A Schedule has the times of a delivery's attempts, counted from the first attempt.
type Schedule struct {
	Name     string
	Attempts []time.Duration
}

// Signer returns a signer for deliveries to the endpoint at base. If the vendor does not sign, the key's secret is the
// credential in the URL. With a blank secret the URL is base.
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

// Minutes returns the attempts of a [Schedule] from minutes after the first attempt.
func Minutes(after ...int) []time.Duration {
	attempts := make([]time.Duration, len(after))
	for i, n := range after {
		attempts[i] = time.Duration(n) * time.Minute
	}
	return attempts
}
