package webhook

import (
	"log/slog"
	"net/http"
)

// An Outcome is how the processing of a delivery ended, from a fixed list. A [Reason] adds detail. Together they decide
// the response: see the table in the package documentation.
type Outcome string

// The outcomes. docs/outcomes.md lists what an operator does about each.
const (
	// Handled: the callback returned nil.
	Handled Outcome = "handled"

	// Stored: the inbox has stored the delivery, and runs its callback later.
	Stored Outcome = "stored"

	// Duplicate: the delivery was completed before. Its callback does not run again.
	Duplicate Outcome = "duplicate"

	// Ignored: the callback returned [Ignore], or the request was a HEAD or GET that [Options.RespondToGET] allows.
	Ignored Outcome = "ignored"

	// Unhandled: there is no callback for the type.
	Unhandled Outcome = "unhandled"

	// InFlight: the callback is still running, for this delivery or for an earlier copy of it.
	InFlight Outcome = "in_flight"

	// Failed: the callback failed, and the vendor or the inbox tries again.
	Failed Outcome = "failed"

	// DeadLettered: the delivery is not tried again. [Options.DeadLetter] or the inbox has it.
	DeadLettered Outcome = "dead_lettered"

	// Dropped: the delivery is not tried again, and no copy of it was kept.
	Dropped Outcome = "dropped"

	// Unauthenticated: the signature or the credential is missing or wrong. Most are a wrong secret, not an attack.
	Unauthenticated Outcome = "unauthenticated"

	// Rejected: the request is not acceptable: its method, size, encoding, body or time.
	Rejected Outcome = "rejected"

	// Unavailable: this service could not process the delivery now. The vendor tries again.
	Unavailable Outcome = "unavailable"
)

// A row of the outcome contract.
type row struct {
	what       string
	outcome    Outcome
	reasons    []Reason // empty: every reason that no other row of the outcome has
	status     int
	retryAfter bool
	key        string
	level      slog.Level
}

// levelSilent is the level of deliveries that need no attention.
const levelSilent = slog.LevelDebug

// contract is the outcome contract. The responses come from it. Tests check the package documentation against it and run
// every row.
//
// A 2xx while a copy still runs would end the vendor's retries, although that copy can fail. Convosphere never retries
// after a 4xx, so a 4xx is only for requests that must not come again. WorkFlux documents only 200 as success.
var contract = []row{
	{"the callback returned nil", Handled, nil, http.StatusOK, false, "completed", levelSilent},
	{"the callback returned nil, and completing the key failed", Handled, []Reason{ReasonStore, ReasonLeaseLost}, http.StatusOK, false, "in flight, then completed", slog.LevelError},
	{"stored in the inbox, new or already there", Stored, nil, http.StatusOK, false, "the inbox's", levelSilent},
	{"duplicate of a completed key", Duplicate, nil, http.StatusOK, false, "stays", levelSilent},
	{"duplicate while an earlier copy runs, at once or after a wait", InFlight, nil, http.StatusServiceUnavailable, true, "stays", slog.LevelInfo},
	{"still running when the response was due", InFlight, []Reason{ReasonOverrun}, http.StatusServiceUnavailable, true, "in flight", slog.LevelWarn},
	{"still running on an attempt whose failure disables the endpoint", InFlight, []Reason{ReasonOverrunLast}, http.StatusOK, false, "in flight", slog.LevelError},
	{"the callback returned an error", Failed, nil, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"the callback returned an error after CompleteTx committed", Failed, nil, http.StatusInternalServerError, false, "stays completed", slog.LevelError},
	{"the callback panicked, or ended its goroutine", Failed, []Reason{ReasonPanic}, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"the callback returned RetryAfter", Failed, []Reason{ReasonRetryAfter}, http.StatusServiceUnavailable, true, "released", slog.LevelWarn},
	{"the body does not fit the type of its callback, no DeadLetter", Failed, []Reason{ReasonUndecodable}, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"DeadLetter failed", Failed, []Reason{ReasonDeadLetterFailed}, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"the callback returned Permanent", DeadLettered, []Reason{ReasonPermanent}, http.StatusOK, false, "completed", slog.LevelError},
	{"still failing on the vendor's last attempt", DeadLettered, []Reason{ReasonLastAttempt}, http.StatusOK, false, "completed", slog.LevelError},
	{"the body does not fit the type of its callback", DeadLettered, []Reason{ReasonUndecodable}, http.StatusOK, false, "completed", slog.LevelError},
	{"the callback returned Permanent, no DeadLetter", Dropped, []Reason{ReasonPermanent}, http.StatusOK, false, "completed", slog.LevelError},
	{"still failing on the last attempt, no DeadLetter, and a failure disables the endpoint", Dropped, []Reason{ReasonLastAttempt, ReasonUndecodable}, http.StatusOK, false, "completed", slog.LevelError},
	{"the callback returned Ignore", Ignored, nil, http.StatusOK, false, "completed", levelSilent},
	{"the callback returned Ignore, and completing the key failed", Ignored, []Reason{ReasonStore, ReasonLeaseLost}, http.StatusOK, false, "in flight, then completed", slog.LevelError},
	{"HEAD or GET, with Options.RespondToGET", Ignored, []Reason{ReasonEndpointCheck}, http.StatusOK, false, "none", levelSilent},
	{"no callback for the type, or an unknown type", Unhandled, nil, http.StatusOK, false, "none", slog.LevelWarn},
	{"no callback for the type, and Before has run", Unhandled, nil, http.StatusOK, false, "released", slog.LevelWarn},
	{"no or bad signature, bad token, bad header", Unauthenticated, nil, http.StatusUnauthorized, false, "none", slog.LevelWarn},
	{"authentic, but not a JSON object, or without the time it needs", Rejected, []Reason{ReasonNoObject, ReasonNoTime}, http.StatusBadRequest, false, "none", slog.LevelError},
	{"authentic, but stale", Rejected, []Reason{ReasonStale}, http.StatusUnauthorized, false, "none", slog.LevelError},
	{"authentic, but dated more than 5 min in the future", Rejected, []Reason{ReasonFuture}, http.StatusServiceUnavailable, true, "none", slog.LevelError},
	{"body too slow or cut off", Rejected, []Reason{ReasonSlow, ReasonCutOff, ReasonLength}, http.StatusServiceUnavailable, true, "none", slog.LevelWarn},
	{"body larger than MaxBody, by its Content-Length or as read", Rejected, []Reason{ReasonTooLarge}, http.StatusRequestEntityTooLarge, false, "none", slog.LevelWarn},
	{"a Content-Encoding other than identity, such as gzip", Rejected, []Reason{ReasonContentEncoding}, http.StatusUnsupportedMediaType, false, "none", slog.LevelWarn},
	{"a method other than POST", Rejected, []Reason{ReasonMethod}, http.StatusMethodNotAllowed, false, "none", slog.LevelWarn},
	{"store, inbox or Authenticator unavailable, full, or too slow", Unavailable, nil, http.StatusServiceUnavailable, true, "none", slog.LevelError},
	{"after Shutdown", Unavailable, []Reason{ReasonShuttingDown}, http.StatusServiceUnavailable, true, "none", slog.LevelInfo},
	{"too many bodies being read, callbacks running, or deliveries a second", Unavailable, []Reason{ReasonReading, ReasonEvicted, ReasonRunning, ReasonRate}, http.StatusServiceUnavailable, true, "none", slog.LevelWarn},
}

// A ruleKey identifies a row of the contract. The reason is empty for the default row of an outcome: the one without
// reasons, or the first if each has some.
type ruleKey struct {
	outcome Outcome
	reason  Reason
}

// rules has the rows of the contract by their keys. Rows with the same key have the same response.
var rules = func() map[ruleKey]*row {
	m := make(map[ruleKey]*row, len(contract))
	for i := range contract {
		r := &contract[i]
		if byDefault := (ruleKey{r.outcome, ReasonNone}); len(r.reasons) == 0 || m[byDefault] == nil {
			m[byDefault] = r
		}
		for _, reason := range r.reasons {
			m[ruleKey{r.outcome, reason}] = r
		}
	}
	return m
}()

// ruleOf returns the row of an outcome and a reason.
func ruleOf(o Outcome, r Reason) *row {
	if rule := rules[ruleKey{o, r}]; rule != nil {
		return rule
	}
	return rules[ruleKey{o, ReasonNone}]
}
