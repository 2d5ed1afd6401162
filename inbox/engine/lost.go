package engine

import (
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// IsSuspect reports whether a delivery may have crashed a process, because its last run was lost. An engine runs at most
// one suspect at a time in a process: see [Runs.ReserveSuspect]. Then the next loss shows which delivery caused it.
// Attempts that ended before the callback ran change nothing.
func IsSuspect(history []inbox.Attempt) bool {
	for _, a := range slices.Backward(history) {
		switch {
		case a.Outcome == inbox.Lost:
			return true
		case a.Counted || a.Outcome == webhook.Unhandled:
			return false
		}
	}
	return false
}

// Lose returns the decision about a delivery whose process was lost. tried is how many attempts counted before this one.
// alone reports whether the delivery ran as a suspect. Only then the loss counts, because any of the deliveries that ran
// together may have caused it. began is when the run began. text becomes the error of the attempt.
func Lose(p *inbox.Policy, tried int, alone bool, began time.Time, text string) Decision {
	now := time.Now().UTC()
	d := Decision{Disposition: Retry, Attempt: inbox.Attempt{
		At: began, Took: max(0, now.Sub(began)), Outcome: inbox.Lost, Error: text, Counted: alone,
	}}
	if alone {
		tried++
	}
	if alone && tried >= p.MaxAttempts {
		d.Disposition = DeadLetter
		return d
	}
	d.After = p.Backoff(max(tried, 1))
	return d
}

// ReserveSuspect reserves the process's one slot for a suspect, and reports whether it was free. Call FreeSuspect once
// the callback has returned and its outcome is recorded.
func (r *Runs) ReserveSuspect() bool { return r.suspect.CompareAndSwap(false, true) }

// FreeSuspect frees the slot of [Runs.ReserveSuspect].
func (r *Runs) FreeSuspect() { r.suspect.Store(false) }

// SuspectRuns reports whether the slot of [Runs.ReserveSuspect] is taken.
func (r *Runs) SuspectRuns() bool { return r.suspect.Load() }
