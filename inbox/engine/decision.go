package engine

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Disposition is the next state of a delivery that has run.
type Disposition uint8

// The dispositions.
const (
	// Complete: the delivery is done.
	Complete Disposition = iota + 1
	// DeadLetter: the delivery is a dead letter.
	DeadLetter
	// Retry: the delivery runs again after Decision.After.
	Retry
	// Defer: the delivery waits for a handler with a callback for its type.
	Defer
)

// A Decision is what an engine must record for a delivery that has run.
type Decision struct {
	Disposition Disposition

	// After is the delay until the next attempt. It is set only for Retry.
	After time.Duration

	// Attempt is what the engine appends to the delivery's history.
	Attempt inbox.Attempt
}

// A rule maps one outcome to its disposition.
type rule struct {
	disposition Disposition
	counted     bool
}

// rules has the rule of each outcome, for every engine. Redeliver returns no other outcome. An unknown one is retried and
// counted, so that the delivery is neither lost nor retried forever.
var rules = map[webhook.Outcome]rule{
	webhook.Handled:   {Complete, true}, // even if the store could not record it: the callback has run and must not run again
	webhook.Ignored:   {Complete, true},
	webhook.Duplicate: {Complete, false},

	webhook.DeadLettered: {DeadLetter, true}, // Permanent, or a body that does not fit its type
	webhook.Rejected:     {DeadLetter, true},

	webhook.Failed: {Retry, true},

	webhook.InFlight:    {Retry, false}, // another process runs it
	webhook.Unavailable: {Retry, false}, // the store is down, or the handler is shut down: not the callback's failure

	webhook.Unhandled: {Defer, false},
}

// decide returns the decision for a result. tried is how many counted attempts the delivery has had, including this one
// if it counts.
func decide(ctx context.Context, p *inbox.Policy, result *webhook.Result, tried int, began time.Time) Decision {
	r, known := rules[result.Outcome]
	if !known {
		r = rule{Retry, true}
	}
	canceled := errors.Is(ctx.Err(), context.Canceled) // the Run canceled it; a missed deadline is the callback's failure
	if r.disposition == Retry && canceled {
		r.counted = false
	}
	d := Decision{Disposition: r.disposition, Attempt: inbox.Attempt{
		At: began, Took: time.Since(began), Outcome: result.Outcome, Reason: result.Reason, Counted: r.counted,
	}}
	if result.Err != nil {
		d.Attempt.Error = cut(result.Err.Error())
	}
	if r.disposition != Retry {
		return d
	}
	switch {
	case r.counted && tried >= p.MaxAttempts:
		d.Disposition = DeadLetter
	case canceled || result.Reason == webhook.ReasonShuttingDown:
		// The next process runs it at once.
	case result.Outcome == webhook.InFlight:
		// The remaining lease of the duplicate is the longest wait; most callbacks end sooner.
		d.After = p.Backoff(1)
		if result.RetryAfter > 0 {
			d.After = min(d.After, result.RetryAfter)
		}
	case result.RetryAfter > 0:
		d.After = result.RetryAfter
	default:
		d.After = p.Backoff(tried)
	}
	return d
}

// cut shortens an error's text without splitting a character.
func cut(text string) string {
	if len(text) <= MaxError {
		return text
	}
	end := MaxError
	for end > MaxError-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
