// Package webhook takes a webhook delivery from the socket to a typed callback: authentic, fresh, once, in time, and
// never lost. Users mount the handler of a vendor's package, which is a [Handler] with a method for each event type;
// what stands here is what all vendors share.
//
// # The way of a delivery
//
//	request ─ bounds ─ authenticate ─ identify ─┬─ claim ─ callback ─ complete / release ─ answer               (no inbox)
//	                                            └─ enqueue, durably ─ answer ··· later: claim ─ callback ─ complete   (inbox)
//
// Nothing is parsed, looked up or logged in full before the bytes, as they were received, have been authenticated. What
// a delivery is, and under which keys duplicates of it are recognised, is read from the signed bytes alone. Only once a
// delivery has been refused, and the line that says so is going to be written, are its bytes looked at again, within
// bounds, to find the cause: see [Handler.Explain].
//
// [Handler.ServeHTTP] goes this way for net/http, [Handler.Process] without a socket, and [Handler.Redeliver] from the
// claim on, for a delivery that was stored earlier.
//
// # The outcome contract
//
// What happened decides the answer; a status or a text that an error happens to carry never does. A callback steers by
// what it returns: nil, an error, [RetryAfter], [Permanent] or [Ignore].
//
//	what happened                                                                          response           the key                    outcome          reason
//	the callback returned nil                                                              200                completed                  handled
//	the callback returned nil, and completing the key failed                               200                in flight, then completed  handled          store, lease_lost
//	stored in the inbox, new or already there                                              200                the inbox's                stored
//	duplicate of a completed key                                                           200                stays                      duplicate
//	duplicate while the first copy runs, also after waiting for it                         503 + Retry-After  stays                      in_flight
//	still running when the response was due                                                503 + Retry-After  in flight                  in_flight        overrun
//	the same on an attempt whose failure disables the endpoint                             200                in flight                  in_flight        overrun_last_attempt
//	the callback returned an error                                                         500                released                   failed
//	the callback returned an error after CompleteTx committed                              500                stays completed            failed
//	the callback panicked, or ended its goroutine                                          500                released                   failed           panic
//	the callback returned RetryAfter                                                       503 + Retry-After  released                   failed           retry_after
//	the body does not fit the type of its callback, no DeadLetter                          500                released                   failed           undecodable
//	DeadLetter failed                                                                      500                released                   failed           dead_letter_failed
//	the callback returned Permanent                                                        200                completed                  dead_lettered    permanent
//	still failing on the vendor's last attempt                                             200                completed                  dead_lettered    last_attempt
//	the body does not fit the type of its callback                                         200                completed                  dead_lettered    undecodable
//	the callback returned Permanent, no DeadLetter                                         200                completed                  dropped          permanent
//	still failing on the last attempt, no DeadLetter, and a failure disables the endpoint  200                completed                  dropped          last_attempt, undecodable
//	the callback returned Ignore                                                           200                completed                  ignored
//	the callback returned Ignore, and completing the key failed                            200                in flight, then completed  ignored          store, lease_lost
//	HEAD or GET, with Options.RespondToGET                                                 200                none                       ignored          endpoint_check
//	no callback for the type, or an unknown type                                           200                none                       unhandled
//	the same, after Before                                                                 200                released                   unhandled
//	no or bad signature, bad token, bad header                                             401                none                       unauthenticated
//	authentic, but no JSON object, or without the time it needs                            400                none                       rejected         no_json_object, no_time
//	authentic, but stale                                                                   401                none                       rejected         stale
//	authentic, but dated in the future past the skew                                       503 + Retry-After  none                       rejected         future
//	body too slow or cut off                                                               503 + Retry-After  none                       rejected         body_slow, body_cut_off, body_length
//	body larger than MaxBody, declared or found                                            413                none                       rejected         too_large
//	a real Content-Encoding, such as gzip                                                  415                none                       rejected         content_encoding
//	a method other than POST                                                               405                none                       rejected         method
//	store, inbox or Authenticator unavailable, full, or too slow                           503 + Retry-After  none                       unavailable
//	after Shutdown                                                                         503 + Retry-After  none                       unavailable      shutting_down
//	too many bodies being read, callbacks running, or deliveries a second                  503 + Retry-After  none                       unavailable      reading_limit, evicted, running_limit, rate_limit
//
// The keys are those of deliveries that run while the sender waits. When an inbox runs one, a dead letter's keys are
// released instead of completed, whatever made it one: its Retry runs the callback again.
//
// No or bad signature, a stale timestamp and a bad credential are answered alike. An unhandled type is a Warning once,
// and a Debug line after that. A type that the vendor does not document is unhandled, and runs nothing, also when its
// timestamp is stale or missing: the event by which a vendor tests an endpoint may have such a one.
//
// The Content-Type is ignored on purpose, text/html included. The vendors are silent about it, and it is not signed: the
// MAC decides whether the bytes are genuine, and the bytes whether they are a JSON object. Refusing a type would lose
// genuine deliveries and keep nothing out.
//
// # Fields that do not fit
//
// A field that does not fit the event's type stays unset, and the callback runs: [Event.Undecoded] says which fields and
// why, as do the [Observation] and, for the first time, a Warning in the log. A whole number fits an integer however it
// is written, and a time is read in every notation that is one instant; see [vendors.EnvelopeNames] for the envelope. A body
// does not fit its type at all if its data is not an object, or with [Options.StrictFields].
//
// # Times
//
// All are counted from the arrival. Each is a field of [Options].
//
//	body read                   3 s
//	one call to store or inbox  1 s
//	answer                      4.5 s; EmberQA, which waits for 30 s: 27 s
//	callback's context ends     30 s; neither the answer nor a client's disconnect ends it
//	lease                       10 s longer than the callback's context
//
// A request context that ends earlier, by http.TimeoutHandler or the platform, makes the response due earlier: before
// that end by a quarter of the time it leaves, at most 500 ms. A context that had ended before the
// arrival counts as one without a deadline.
//
// Within one process a key never runs twice at once, lease or no lease. In another process it may run once the lease
// has ended; then exactly one completion is accepted.
//
// # Duplicates
//
// The type is part of a delivery's key: two events of different types may have one id. A duplicate that has another body
// than the delivery that was completed is not run, and is reported with [ReasonOtherContent] and a line at Warn. Either
// the vendor changed the body between two attempts, or it gave two events one id. Stores keep 16 bits of a hash for it,
// so one in 65,536 of them is not noticed. An inbox compares for as long as it keeps the body: see [ErrOtherContent].
//
// # Long names
//
// No vendor documents how long a type or an id can be. One that is longer than 256 bytes is replaced by "sha256:" and its
// SHA-256 in hex: in keys, events, deliveries, logs and observations, and so in every store and inbox. Two different long
// names stay different, and the original stays in the body. The limit is our choice.
//
// # Last attempts
//
// Vendors stop sending at some point, and WorkFlux then disables the endpoint. Where [Options.DeadLetter] or an inbox is
// there to park it, a delivery that still fails on the earliest attempt that can be the last is parked: by the attempt
// count of its key, or by the age of its signed timestamp, because attempts made while we were down are in no count of
// ours. With nowhere to park, a WorkFlux delivery is abandoned on its last attempt by our own count: a 500 would lose
// the event and the endpoint.
//
// Copies do not use up the vendor's attempts. A failure that comes sooner than half the vendor's shortest pause after
// the last counted one is not counted: a proxy or a person sent it. The shortest pause is 1 minute for Convosphere and
// WorkFlux. EmberQA and Greenflash are silent about it; we take 2 s. The same bytes carry the same time: a WorkFlux
// delivery that is younger than 40 minutes is never on its last attempt, however often it came. EmberQA and Greenflash
// sign no such time, so a person's resend can count as their last attempt. Then [Options.DeadLetter] gets the delivery
// early, and without one it is answered 500: neither loses it.
//
// # Shutdown
//
// http.Server.Shutdown first, so that requests finish; then [Handler.Shutdown], which waits for running callbacks;
// then the inbox's Shutdown. Give all three the same context, whose deadline then is that of the whole.
package webhook
