// Package webhook processes a webhook delivery, from the HTTP request to a typed callback. It checks that the delivery is
// authentic and fresh, runs its callback once, and responds within the vendor's timeout.
//
// Users start with the package of a vendor, such as convosphere. They mount its Handler, which embeds a [Handler] and adds
// a method for each event type. This page describes what all vendors share: [Options], the return values of a callback,
// and the response to each result.
//
// # Steps of a delivery
//
//	request ─ bounds ─ authenticate ─ identify ─┬─ claim ─ callback ─ complete / release ─ respond              (no inbox)
//	                                            └─ enqueue, durably ─ respond ··· later: claim ─ callback ─ complete   (inbox)
//
// The handler authenticates the received bytes before it parses them, looks anything up, or writes a detailed log line.
// It reads the event's type and the keys of the delivery from the signed bytes alone. If it refuses a delivery and logs
// the refusal, it examines the bytes again, within bounds, to name the probable cause: see [Handler.Explain].
//
// [Handler.ServeHTTP] runs these steps for net/http, and [Handler.Process] runs them without a socket. [Handler.Redeliver]
// starts at the claim, for a delivery that was stored earlier.
//
// # The outcome contract
//
// The result of each step decides the response. A status code or a text inside an error never does. A callback decides
// with its return value: nil, an error, [RetryAfter], [Permanent] or [Ignore].
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
//	authentic, but not a JSON object, or without the time it needs                         400                none                       rejected         no_json_object, no_time
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
// The column "the key" applies to a delivery that runs while the sender waits. An inbox releases the keys of every dead
// letter instead of completing them, so that the inbox's Retry runs the callback again.
//
// A bad or missing signature, a stale timestamp and a bad credential get the same response. The first delivery of an
// unhandled type is logged as a Warning, and later ones at Debug. A type that the vendor does not document is unhandled
// even if its timestamp is stale or missing: the vendor's test event may have such a timestamp. Nothing runs for it.
//
// The handler ignores the Content-Type, text/html included. The vendors are silent about it, and it is not signed. The
// signature decides whether the bytes are genuine, and the bytes decide whether they are a JSON object. Refusing a type
// would lose genuine deliveries and would not keep any other sender out.
//
// # Fields that do not fit
//
// A field that does not fit the event's type stays unset, and the callback still runs. [Event.Undecoded] and the
// [Observation] name the fields and the reasons. The first such delivery is also logged as a Warning. A whole number fits
// an integer in any notation, and a time may have any notation that names one instant. See [vendors.EnvelopeNames] for
// the envelope. A whole body does not fit if its data is not an object, or if any field does not fit and
// [Options.StrictFields] is set.
//
// # Times
//
// All times count from the arrival of the request. Each is a field of [Options].
//
//	body read                   3 s
//	one call to store or inbox  1 s
//	response                    4.5 s; EmberQA, which waits for 30 s: 27 s
//	callback's context ends     30 s; neither the response nor a client's disconnect ends it
//	lease                       10 s longer than the callback's context
//
// A request context may have an earlier deadline, set by http.TimeoutHandler or by the platform. The handler then responds
// before that deadline, by a quarter of the time left and at most 500 ms. A context that has ended before the arrival
// counts as a context without a deadline.
//
// Within one process, a key never runs twice at once, even after its lease has ended. Another process may run the key once
// the lease has ended. The store then accepts exactly one completion.
//
// # Duplicates
//
// The type is part of a delivery's key, because two events of different types may have the same id. If a duplicate has
// another body than the completed delivery, the handler does not run it. It reports [ReasonOtherContent] and logs a
// Warning. Either the vendor changed the body between two attempts, or it gave two events one id.
//
// Stores keep a 16-bit hash of the body for this check, so one difference in 65,536 goes unnoticed. An inbox compares the
// bodies for as long as it keeps them: see [ErrOtherContent].
//
// # Long names
//
// No vendor documents the maximum length of a type or an id. A name longer than 256 bytes is replaced by "sha256:" and its
// SHA-256 in hex. The replacement is used in keys, events, deliveries, logs, observations, stores and inboxes. Different
// long names stay different, and the original stays in the body. The limit is our choice.
//
// # Last attempts
//
// A vendor stops sending a delivery after some number of attempts. WorkFlux then also disables the endpoint. If
// [Options.DeadLetter] or an inbox is set, a delivery that fails on its last attempt is dead-lettered. The handler takes
// the earliest attempt that can be the last. It counts the attempts of the key, and it looks at the age of the signed
// timestamp, because attempts made while this service was down are not counted.
//
// If neither is set, the handler responds 200 to a WorkFlux delivery that fails on its last counted attempt, and drops it.
// A 500 would lose the event and also disable the endpoint.
//
// Copies sent by a proxy or a person do not use up the vendor's attempts. A failure counts only if at least half of the
// vendor's shortest pause has passed since the last counted failure. The shortest pause is 1 minute for Convosphere and
// WorkFlux. EmberQA and Greenflash are silent about it, and we assume 2 s.
//
// A WorkFlux delivery has the same signed time on every attempt. While it is younger than 40 minutes, no attempt is the
// last. EmberQA and Greenflash do not sign such a time, so a person's resend can count as their last attempt. Then
// [Options.DeadLetter] gets the delivery early, or, without a DeadLetter, the response is 500. Neither loses the delivery.
//
// # Shutdown
//
// Call http.Server.Shutdown first, so that requests finish. Then call [Handler.Shutdown], which waits for running
// callbacks. Then call the inbox's Shutdown. Give all three the same context: its deadline bounds the whole shutdown.
package webhook
