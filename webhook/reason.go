package webhook

import "github.com/aihooks/aihooks-go/signature"

// A Reason narrows an [Outcome] down, from a fixed list. An [Unauthenticated] delivery of a vendor that signs has the
// [signature.Reason].
type Reason string

// The reasons. docs/outcomes.md says what an operator does about each.
const (
	ReasonNone Reason = ""

	// Handled, Ignored: the callback ran, and the key could not be completed.
	ReasonLeaseLost Reason = "lease_lost" // another process has taken the key over
	ReasonStore     Reason = "store"      // the store failed; with Unavailable, before the callback ran

	// Stored, Duplicate.
	ReasonStoredBefore Reason = "stored_before"
	ReasonOtherContent Reason = "other_content" // it has another body than the one before

	// InFlight: the callback still ran when the response was due.
	ReasonOverrun     Reason = "overrun"
	ReasonOverrunLast Reason = "overrun_last_attempt"

	// Failed, DeadLettered, Dropped.
	ReasonPanic            Reason = "panic"
	ReasonRetryAfter       Reason = "retry_after"
	ReasonPermanent        Reason = "permanent"
	ReasonLastAttempt      Reason = "last_attempt"
	ReasonUndecodable      Reason = "undecodable"
	ReasonDeadLetterFailed Reason = "dead_letter_failed"

	// Ignored, Unhandled.
	ReasonEndpointCheck Reason = "endpoint_check"
	ReasonNoCallback    Reason = "no_callback"
	ReasonUnknownType   Reason = "unknown_type"

	// Unauthenticated, for a vendor that does not sign.
	ReasonCredential Reason = "credential"

	// Rejected, and Unhandled for a type that the vendor does not document.
	ReasonNoObject        Reason = "no_json_object"
	ReasonNoTime          Reason = "no_time"
	ReasonStale           Reason = Reason(signature.Stale)
	ReasonFuture          Reason = Reason(signature.Future)
	ReasonSlow            Reason = "body_slow"
	ReasonCutOff          Reason = "body_cut_off"
	ReasonLength          Reason = "body_length"
	ReasonTooLarge        Reason = "too_large"
	ReasonContentEncoding Reason = "content_encoding"
	ReasonMethod          Reason = "method"

	// Unavailable.
	ReasonShuttingDown  Reason = "shutting_down"
	ReasonReading       Reason = "reading_limit"
	ReasonEvicted       Reason = "evicted" // the slowest body, when the read budget was used up
	ReasonRunning       Reason = "running_limit"
	ReasonRate          Reason = "rate_limit"
	ReasonAuthenticator Reason = "authenticator"
	ReasonStoreFull     Reason = "store_full"
	ReasonInbox         Reason = "inbox"
	ReasonInboxFull     Reason = "inbox_full"
)
