package engine

import "github.com/aihooks/aihooks-go/inbox"

// The limits of a delivery's history: how many attempts it has, and how many bytes an error's text has.
const (
	MaxAttemptsKept = 50
	MaxError        = 4096
)

// Append returns the history with one more attempt. An uncounted attempt replaces the uncounted one before it; otherwise,
// an outage of a day would fill the history. An attempt that is [inbox.Lost] is replaced only by another lost one,
// because it marks a suspect. If the history is full, Append drops the second attempt.
func Append(history []inbox.Attempt, a inbox.Attempt) []inbox.Attempt {
	if n := len(history); n > 0 && !a.Counted && !history[n-1].Counted && (history[n-1].Outcome != inbox.Lost || a.Outcome == inbox.Lost) {
		history = history[: n-1 : n-1]
	}
	if n := len(history); n >= MaxAttemptsKept {
		history = append(history[:1:1], history[n-MaxAttemptsKept+2:]...)
	}
	return append(history, a)
}
