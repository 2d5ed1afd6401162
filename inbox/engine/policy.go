package engine

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
)

// WithDefaults returns the policy with all defaults filled in. It returns an error that names the field if a value is not
// allowed.
func WithDefaults(p inbox.Policy) (inbox.Policy, error) {
	for name, n := range map[string]int64{
		"MaxAttempts": int64(p.MaxAttempts), "Concurrency": int64(p.Concurrency), "DrainTimeout": int64(p.DrainTimeout),
	} {
		if n < 0 {
			return p, fmt.Errorf("inbox: Policy.%s (%d) must not be negative", name, n)
		}
	}
	for name, n := range p.Limits {
		vendor, endpoint, named := strings.Cut(name, "/")
		switch {
		case n <= 0:
			return p, fmt.Errorf("inbox: Policy.Limits[%q] (%d) must be positive; to run nothing, do not give the handler to Run", name, n)
		case vendor == "" || named && endpoint == "":
			return p, fmt.Errorf("inbox: the key %q of Policy.Limits must be \"vendor\" or \"vendor/endpoint\"", name)
		}
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = inbox.DefaultMaxAttempts
	}
	if p.Concurrency == 0 {
		p.Concurrency = inbox.DefaultConcurrency
	}
	if p.DrainTimeout == 0 {
		p.DrainTimeout = inbox.DefaultDrainTimeout
	}
	if p.Backoff == nil {
		p.Backoff = inbox.DefaultBackoff
	}
	if p.Logger == nil {
		p.Logger = slog.Default()
	}
	return p, nil
}
