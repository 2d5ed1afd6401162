package engine

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
)

// WithDefaults returns the policy with every default filled in, or an error that names the field which breaks a rule.
func WithDefaults(p inbox.Policy) (inbox.Policy, error) {
	for name, n := range map[string]int64{
		"MaxAttempts": int64(p.MaxAttempts), "Concurrency": int64(p.Concurrency), "DrainTimeout": int64(p.DrainTimeout),
	} {
		if n < 0 {
			return p, fmt.Errorf("inbox: Policy.%s cannot be negative", name)
		}
	}
	for name, n := range p.Limits {
		vendor, endpoint, named := strings.Cut(name, "/")
		switch {
		case n <= 0:
			return p, fmt.Errorf("inbox: Policy.Limits[%q] must be positive; to run nothing, leave the handler out of Run", name)
		case vendor == "" || named && endpoint == "":
			return p, fmt.Errorf("inbox: Policy.Limits[%q] must be a vendor, or a vendor, a slash and an endpoint", name)
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
