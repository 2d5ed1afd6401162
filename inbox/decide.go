package inbox

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Verdict says what becomes of a delivery that was run.
type Verdict uint8

// The verdicts.
const (
	// Finish: it is done.
	Finish Verdict = iota + 1
	// Bury: it is a dead letter.
	Bury
	// Again: it is run again after Decision.After.
	Again
	// Shelve: it waits for a handler with a callback for its type.
	Shelve
)

// A Decision is what an engine does with a delivery that was run.
type Decision struct {
	Verdict Verdict

	// After is how long the delivery rests. Set when the verdict is Again.
	After time.Duration

	// Attempt is what the engine adds to the delivery's history.
	Attempt Attempt
}

// A rule says what one outcome means for a stored delivery.
type rule struct {
	verdict Verdict
	counted bool
}

// rules is the one place that says so, for every engine. What is not listed has never come from Redeliver: it is
// tried again and counted, so that it neither gets lost nor goes round for ever.
var rules = map[webhook.Outcome]rule{
	webhook.Handled:   {Finish, true}, // also if completing failed: the callback has run, and must not run again
	webhook.Ignored:   {Finish, true},
	webhook.Duplicate: {Finish, false},

	webhook.DeadLettered: {Bury, true}, // Permanent, or a body that does not fit its type
	webhook.Rejected:     {Bury, true},

	webhook.Failed: {Again, true},

	webhook.InFlight:    {Again, false}, // another process runs it
	webhook.Unavailable: {Again, false}, // the store, or a handler that is shut down: not the callback

	webhook.Unhandled: {Shelve, false},
}

// decide says what becomes of a delivery by the result of running it. tried counts the attempts of [Policy.MaxAttempts]
// that it has had, this one included if it counts.
func (p *Policy) decide(ctx context.Context, result *webhook.Result, tried int, began time.Time) Decision {
	r, known := rules[result.Outcome]
	if !known {
		r = rule{Again, true}
	}
	cancelled := errors.Is(ctx.Err(), context.Canceled) // by us; a deadline is the callback's own to miss
	if r.verdict == Again && cancelled {
		r.counted = false
	}
	d := Decision{Verdict: r.verdict, Attempt: Attempt{
		At: began, Took: time.Since(began), Outcome: result.Outcome, Reason: result.Reason, Counted: r.counted,
	}}
	if result.Err != nil {
		d.Attempt.Error = cut(result.Err.Error())
	}
	if r.verdict != Again {
		return d
	}
	switch {
	case r.counted && tried >= p.MaxAttempts:
		d.Verdict = Bury
	case cancelled || result.Reason == webhook.ReasonShuttingDown:
		// For the next process, at once.
	case result.Outcome == webhook.InFlight:
		// What is left of a twin's lease is the longest that it can take; most callbacks are shorter.
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
