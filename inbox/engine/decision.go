package engine

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Disposition is what happens next to a delivery that was run.
type Disposition uint8

// The dispositions.
const (
	// Complete: it is done.
	Complete Disposition = iota + 1
	// DeadLetter: it is a dead letter.
	DeadLetter
	// Retry: it is run again after Decision.After.
	Retry
	// Defer: it waits for a handler with a callback for its type.
	Defer
)

// A Decision is what an engine does with a delivery that was run.
type Decision struct {
	Disposition Disposition

	// After is how long the delivery rests. Set when the disposition is Retry.
	After time.Duration

	// Attempt is what the engine adds to the delivery's history.
	Attempt inbox.Attempt
}

// A rule says what one outcome means for a stored delivery.
type rule struct {
	disposition Disposition
	counted     bool
}

// rules has the rule of each outcome, for every engine. What is not listed has never come from Redeliver: it is
// tried again and counted, so that it neither gets lost nor goes round for ever.
var rules = map[webhook.Outcome]rule{
	webhook.Handled:   {Complete, true}, // also if completing failed: the callback has run, and must not run again
	webhook.Ignored:   {Complete, true},
	webhook.Duplicate: {Complete, false},

	webhook.DeadLettered: {DeadLetter, true}, // Permanent, or a body that does not fit its type
	webhook.Rejected:     {DeadLetter, true},

	webhook.Failed: {Retry, true},

	webhook.InFlight:    {Retry, false}, // another process runs it
	webhook.Unavailable: {Retry, false}, // the store, or a handler that is shut down: not the callback

	webhook.Unhandled: {Defer, false},
}

// decide returns the decision about a delivery by the result of its run. tried counts the attempts of [inbox.Policy.MaxAttempts]
// that it has had, this one included if it counts.
func decide(ctx context.Context, p *inbox.Policy, result *webhook.Result, tried int, began time.Time) Decision {
	r, known := rules[result.Outcome]
	if !known {
		r = rule{Retry, true}
	}
	cancelled := errors.Is(ctx.Err(), context.Canceled) // by us; a deadline is the callback's own to miss
	if r.disposition == Retry && cancelled {
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
	case cancelled || result.Reason == webhook.ReasonShuttingDown:
		// For the next process, at once.
	case result.Outcome == webhook.InFlight:
		// What is left of a duplicate's lease is the longest that it can take; most callbacks are shorter.
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

// cut shortens an error's text at the end of a character.
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
