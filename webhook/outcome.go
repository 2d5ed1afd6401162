package webhook

import (
	"log/slog"
	"net/http"
)

// An Outcome says, from a fixed list, what became of a delivery. It decides the answer.
type Outcome string

// The outcomes. The table in the package documentation says when each comes about and what it is answered with.
const (
	Handled      Outcome = "handled"
	Stored       Outcome = "stored"
	Duplicate    Outcome = "duplicate"
	InFlight     Outcome = "in_flight"
	Failed       Outcome = "failed"
	RetryLater   Outcome = "retry_later"
	DeadLettered Outcome = "dead_lettered"
	Dropped      Outcome = "dropped"
	Ignored      Outcome = "ignored"
	Panicked     Outcome = "panicked"
	Overrun      Outcome = "overrun"
	Entrusted    Outcome = "entrusted"
	Unmarked     Outcome = "unmarked"
	Abandoned    Outcome = "abandoned"
	Unhandled    Outcome = "unhandled"
	Undecodable  Outcome = "undecodable"
	Malformed    Outcome = "malformed"
	Future       Outcome = "future"
	Stale        Outcome = "stale"
	Forged       Outcome = "forged"
	Unreadable   Outcome = "unreadable"
	Unavailable  Outcome = "unavailable"
	ShuttingDown Outcome = "shutting_down"
	Overloaded   Outcome = "overloaded"
	TooLarge     Outcome = "too_large"
	Encoded      Outcome = "encoded"
	WrongMethod  Outcome = "wrong_method"

	// EndpointCheck is no delivery: a sender asked whether the endpoint is there.
	EndpointCheck Outcome = "endpoint_check"
)

// A row of the outcome contract.
type row struct {
	what       string
	outcome    Outcome
	status     int
	retryAfter bool
	key        string
	level      slog.Level
}

// levelSilent is for deliveries as they should be, which have no line unless somebody is looking for them.
const levelSilent = slog.LevelDebug

// contract is the outcome contract. The answers are made from it, the package documentation is checked against it,
// and every row is a case of the contract test.
//
// A 2xx while a copy still runs would end the vendor's retries although that copy can fail; a 4xx ends Convosphere's
// for good, so it is only for what must not come again; WorkFlux lists 200 alone as success.
var contract = []row{
	{"the callback returned nil", Handled, http.StatusOK, false, "completed", levelSilent},
	{"stored in the inbox, new or already there", Stored, http.StatusOK, false, "the inbox's", levelSilent},
	{"duplicate of a completed key", Duplicate, http.StatusOK, false, "stays", levelSilent},
	{"duplicate while the first copy runs, also after waiting for it", InFlight, http.StatusServiceUnavailable, true, "stays", slog.LevelInfo},
	{"the callback returned an error", Failed, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"the callback returned an error after CompleteTx committed", Failed, http.StatusInternalServerError, false, "stays completed", slog.LevelError},
	{"the callback returned RetryAfter", RetryLater, http.StatusServiceUnavailable, true, "released", slog.LevelWarn},
	{"the callback returned Permanent: parked", DeadLettered, http.StatusOK, false, "completed", slog.LevelError},
	{"the callback returned Permanent, nowhere to park", Dropped, http.StatusOK, false, "completed", slog.LevelError},
	{"the callback returned Ignore", Ignored, http.StatusOK, false, "completed", levelSilent},
	{"the callback panicked, or ended its goroutine", Panicked, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"still running when the answer was due", Overrun, http.StatusServiceUnavailable, true, "in flight", slog.LevelWarn},
	{"the same on an attempt whose failure disables the endpoint", Entrusted, http.StatusOK, false, "in flight", slog.LevelError},
	{"the callback returned nil, completing failed", Unmarked, http.StatusOK, false, "in flight, then completed", slog.LevelError},
	{"still failing on the vendor's last attempt: parked", DeadLettered, http.StatusOK, false, "completed", slog.LevelError},
	{"the same, nowhere to park, and a failure disables the endpoint", Abandoned, http.StatusOK, false, "completed", slog.LevelError},
	{"parking failed", Failed, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"no callback for the type, or an unknown type", Unhandled, http.StatusOK, false, "none", slog.LevelWarn},
	{"the same, after OnAny", Unhandled, http.StatusOK, false, "released", slog.LevelWarn},
	{"the body does not fit the type of its callback: parked", DeadLettered, http.StatusOK, false, "completed", slog.LevelError},
	{"the same, nowhere to park", Undecodable, http.StatusInternalServerError, false, "released", slog.LevelError},
	{"authentic, but no JSON object, or without the time it needs", Malformed, http.StatusBadRequest, false, "none", slog.LevelError},
	{"authentic, but dated in the future past the skew", Future, http.StatusServiceUnavailable, true, "none", slog.LevelError},
	{"authentic, but stale", Stale, http.StatusUnauthorized, false, "none", slog.LevelError},
	{"no or bad signature, bad token, bad header", Forged, http.StatusUnauthorized, false, "none", slog.LevelWarn},
	{"body too slow or cut off", Unreadable, http.StatusServiceUnavailable, true, "none", slog.LevelWarn},
	{"store, inbox or Authenticator unavailable, full, or too slow", Unavailable, http.StatusServiceUnavailable, true, "none", slog.LevelError},
	{"after Shutdown", ShuttingDown, http.StatusServiceUnavailable, true, "none", slog.LevelInfo},
	{"too many bodies being read, callbacks running, or deliveries a second", Overloaded, http.StatusServiceUnavailable, true, "none", slog.LevelWarn},
	{"body larger than MaxBody, declared or found", TooLarge, http.StatusRequestEntityTooLarge, false, "none", slog.LevelWarn},
	{"a real Content-Encoding, such as gzip", Encoded, http.StatusUnsupportedMediaType, false, "none", slog.LevelWarn},
	{"HEAD or GET, with Options.RespondToGET", EndpointCheck, http.StatusOK, false, "none", levelSilent},
	{"a method other than POST", WrongMethod, http.StatusMethodNotAllowed, false, "none", slog.LevelWarn},
}

// rules finds the row of an outcome. Rows of one outcome differ in what led to them, never in the answer.
var rules = func() map[Outcome]*row {
	m := make(map[Outcome]*row, len(contract))
	for i := range contract {
		m[contract[i].outcome] = &contract[i]
	}
	return m
}()

// OK reports whether the vendor is told that the delivery has arrived.
func (o Outcome) OK() bool { return rules[o] != nil && rules[o].status == http.StatusOK }

// A Reason narrows an [Outcome] down, from a fixed list.
type Reason string

// The reasons. A delivery whose signature was refused has the [signature.Reason] as its reason.
const (
	ReasonNone          Reason = ""
	ReasonReading       Reason = "reading_limit"
	ReasonMadeRoom      Reason = "made_room"
	ReasonRunning       Reason = "running_limit"
	ReasonRate          Reason = "rate_limit"
	ReasonSlow          Reason = "body_slow"
	ReasonCutOff        Reason = "body_cut_off"
	ReasonLength        Reason = "body_length"
	ReasonCredential    Reason = "credential"
	ReasonAuthenticator Reason = "authenticator"
	ReasonNoObject      Reason = "no_json_object"
	ReasonNoTime        Reason = "no_time"
	ReasonNoCallback    Reason = "no_callback"
	ReasonUnknownType   Reason = "unknown_type"
	ReasonStoreFull     Reason = "store_full"
	ReasonStore         Reason = "store"
	ReasonInbox         Reason = "inbox"
	ReasonInboxFull     Reason = "inbox_full"
	ReasonStoredBefore  Reason = "stored_before"
	ReasonOtherContent  Reason = "other_content"
	ReasonLeaseLost     Reason = "lease_lost"
	ReasonPermanent     Reason = "permanent"
	ReasonLastAttempt   Reason = "last_attempt"
	ReasonUndecodable   Reason = "undecodable"
	ReasonParkingFailed Reason = "parking_failed"
)
