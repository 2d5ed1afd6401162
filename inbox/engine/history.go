package engine

import "github.com/aihooks/aihooks-go/inbox"

// What is kept of a delivery's history: the first attempt and the last ones, and so much of an error's text.
const (
	MaxAttemptsKept = 50
	MaxError        = 4096
)

// Append returns the history with one more attempt. One that does not count takes the place of another such before it:
// a store that is down for a day would fill the history. Only a lost one takes the place of a lost one, which makes a
// suspect. Where the history has become too long, Append leaves out the second attempt.
func Append(history []inbox.Attempt, a inbox.Attempt) []inbox.Attempt {
	if n := len(history); n > 0 && !a.Counted && !history[n-1].Counted && (history[n-1].Outcome != inbox.Lost || a.Outcome == inbox.Lost) {
		history = history[: n-1 : n-1]
	}
	if n := len(history); n >= MaxAttemptsKept {
		history = append(history[:1:1], history[n-MaxAttemptsKept+2:]...)
	}
	return append(history, a)
}
