package webhook

import "github.com/aihooks/aihooks-go/signature"

// A Reason is the cause of an [Outcome], from a fixed list. If the vendor signs, the reason of an [Unauthenticated]
// delivery is a [signature.Reason].
type Reason string

// The reasons, by the outcomes that have them. docs/outcomes.md lists what an operator does about each.
const (
	ReasonNone Reason = ""

	// Handled, Ignored: the callback ran, but its key could not be completed.
	ReasonLeaseLost Reason = "lease_lost" // another process has claimed the key
	ReasonStore     Reason = "store"      // the store failed; with Unavailable, it failed before the callback ran

	// Stored, Duplicate.
	ReasonStoredBefore Reason = "stored_before"
	ReasonOtherContent Reason = "other_content" // the duplicate has another body

	// InFlight: the callback was still running when the response was due.
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
