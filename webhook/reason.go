package webhook

import "github.com/aihooks/aihooks-go/signature"

// A Reason is the cause of an [Outcome], from a fixed list. If the vendor signs, the reason of an [Unauthenticated]
// delivery is a [signature.Reason].
type Reason string

// The reasons, by the outcomes that have them. docs/outcomes.md lists what an operator does about each.
const (
	// ReasonNone: there is nothing to add to the outcome.
	ReasonNone Reason = ""

	// ReasonLeaseLost: the callback ran for longer than its lease, and another process has claimed the delivery.
	ReasonLeaseLost Reason = "lease_lost"
	// ReasonStore: the store failed or was too slow. If the outcome is handled or ignored, the callback ran before that.
	ReasonStore Reason = "store"

	// ReasonStoredBefore: the inbox already has the delivery.
	ReasonStoredBefore Reason = "stored_before"
	// ReasonOtherContent: a duplicate has another body than the earlier delivery.
	ReasonOtherContent Reason = "other_content"

	// ReasonOverrun: the callback still ran when the response was due. It goes on.
	ReasonOverrun Reason = "overrun"
	// ReasonOverrunLast: the callback still ran when the response to the vendor's last attempt was due. The response was
	// 200.
	ReasonOverrunLast Reason = "overrun_last_attempt"

	// ReasonPanic: the callback panicked, or ended its goroutine.
	ReasonPanic Reason = "panic"
	// ReasonRetryAfter: the callback returned RetryAfter.
	ReasonRetryAfter Reason = "retry_after"
	// ReasonPermanent: the callback returned Permanent.
	ReasonPermanent Reason = "permanent"
	// ReasonLastAttempt: the callback failed on an attempt that can be the vendor's last.
	ReasonLastAttempt Reason = "last_attempt"
	// ReasonUndecodable: the body does not fit the Go type of the event.
	ReasonUndecodable Reason = "undecodable"
	// ReasonDeadLetterFailed: Options.DeadLetter returned an error. The vendor tries again.
	ReasonDeadLetterFailed Reason = "dead_letter_failed"

	// ReasonEndpointCheck: a HEAD or GET request asked whether the endpoint exists.
	ReasonEndpointCheck Reason = "endpoint_check"
	// ReasonNoCallback: the vendor documents the type, and there is no callback for it.
	ReasonNoCallback Reason = "no_callback"
	// ReasonUnknownType: the vendor does not document the type.
	ReasonUnknownType Reason = "unknown_type"

	// ReasonCredential: the credential is missing or wrong.
	ReasonCredential Reason = "credential"

	// ReasonNoObject: the delivery is authentic, but its body is not a JSON object.
	ReasonNoObject Reason = "no_json_object"
	// ReasonNoTime: the delivery is authentic, but has no time that can be read.
	ReasonNoTime Reason = "no_time"
	// ReasonStale: the signed time is older than the window allows: see Config.Window.
	ReasonStale Reason = Reason(signature.Stale)
	// ReasonFuture: the signed time is ahead of the clock by more than 5 min.
	ReasonFuture Reason = Reason(signature.Future)
	// ReasonSlow: the body did not arrive within BodyTimeout.
	ReasonSlow Reason = "body_slow"
	// ReasonCutOff: the connection broke before the body was complete.
	ReasonCutOff Reason = "body_cut_off"
	// ReasonLength: the body is not as long as Content-Length says.
	ReasonLength Reason = "body_length"
	// ReasonTooLarge: the body is larger than MaxBody.
	ReasonTooLarge Reason = "too_large"
	// ReasonContentEncoding: the body is compressed.
	ReasonContentEncoding Reason = "content_encoding"
	// ReasonMethod: the method is not POST.
	ReasonMethod Reason = "method"

	// ReasonShuttingDown: the handler is shut down.
	ReasonShuttingDown Reason = "shutting_down"
	// ReasonReading: the read budget is used up by bodies that are being read.
	ReasonReading Reason = "reading_limit"
	// ReasonEvicted: the read budget was used up, and this was the slowest body.
	ReasonEvicted Reason = "evicted"
	// ReasonRunning: MaxRunning callbacks are running.
	ReasonRunning Reason = "running_limit"
	// ReasonRate: more authentic deliveries came than RateLimit allows.
	ReasonRate Reason = "rate_limit"
	// ReasonAuthenticator: the Authenticator could not decide.
	ReasonAuthenticator Reason = "authenticator"
	// ReasonStoreFull: the store is full.
	ReasonStoreFull Reason = "store_full"
	// ReasonInbox: the inbox failed or was too slow.
	ReasonInbox Reason = "inbox"
	// ReasonInboxFull: the inbox is full.
	ReasonInboxFull Reason = "inbox_full"
)
