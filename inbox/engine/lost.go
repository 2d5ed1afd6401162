package engine

import (
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// IsSuspect reports whether a delivery may be what ended a process: its last run was lost. An engine runs at most one
// suspect at once in a process, see [Runs.ReserveSuspect], so that the next loss says which one it was. Attempts that
// ended before the callback had its say change nothing.
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

// Lose decides about a delivery whose process was lost. tried is how many attempts counted before. alone says that it ran
// as a suspect: only such a loss counts, since all others that ran at the time were innocent as far as is known. began is
// when the run began, and text goes into the history.
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

// ReserveSuspect reserves the one slot for a suspect that a process has, and reports whether it got it. FreeSuspect gives
// it back once the callback has returned and its outcome is recorded.
func (r *Runs) ReserveSuspect() bool { return r.suspect.CompareAndSwap(false, true) }

// FreeSuspect gives the slot of [Runs.ReserveSuspect] back.
func (r *Runs) FreeSuspect() { r.suspect.Store(false) }

// SuspectRuns reports whether the slot is taken.
func (r *Runs) SuspectRuns() bool { return r.suspect.Load() }
