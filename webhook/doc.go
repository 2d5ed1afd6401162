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
// # Terms
//
//   - An attempt is one sending of a delivery by the vendor, or one run of it by an inbox.
//   - A key identifies a delivery and its duplicates in the store. Some deliveries have two keys.
//   - To claim a key is to mark it as in flight in the store, for the time of a lease. A delivery whose key is in flight
//     does not run again.
//   - To complete a key is to mark the delivery as done. To release a key is to end the claim, so that the next attempt
//     runs the callback.
//   - A dead letter is a delivery that is not tried again. [Options.DeadLetter] or the inbox keeps it.
//   - The window is the maximum age of a delivery. An older delivery is stale.
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
//	duplicate while an earlier copy runs, at once or after a wait                          503 + Retry-After  stays                      in_flight
//	still running when the response was due                                                503 + Retry-After  in flight                  in_flight        overrun
//	still running on an attempt whose failure disables the endpoint                        200                in flight                  in_flight        overrun_last_attempt
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
//	no callback for the type, and Before has run                                           200                released                   unhandled
//	no or bad signature, bad token, bad header                                             401                none                       unauthenticated
//	authentic, but not a JSON object, or without the time it needs                         400                none                       rejected         no_json_object, no_time
//	authentic, but stale                                                                   401                none                       rejected         stale
//	authentic, but dated more than 5 min in the future                                     503 + Retry-After  none                       rejected         future
//	body too slow or cut off                                                               503 + Retry-After  none                       rejected         body_slow, body_cut_off, body_length
//	body larger than MaxBody, by its Content-Length or as read                             413                none                       rejected         too_large
//	a Content-Encoding other than identity, such as gzip                                   415                none                       rejected         content_encoding
//	a method other than POST                                                               405                none                       rejected         method
//	store, inbox or Authenticator unavailable, full, or too slow                           503 + Retry-After  none                       unavailable
//	after Shutdown                                                                         503 + Retry-After  none                       unavailable      shutting_down
//	too many bodies being read, callbacks running, or deliveries a second                  503 + Retry-After  none                       unavailable      reading_limit, evicted, running_limit, rate_limit
//
// A row without a reason also covers each reason that no other row of its outcome has. For example, a delivery that fails on
// the vendor's last attempt is failed with [ReasonLastAttempt] if there is no DeadLetter and the failure does not disable the
// endpoint.
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
// The times of the response, the callback and the lease count from the arrival of the request.
//
//	body read                   Options.BodyTimeout      3 s
//	one call to store or inbox  Options.StoreTimeout     1 s
//	response                    Options.ResponseTimeout  4.5 s; 27 s for EmberQA, which waits for 30 s
//	callback's context ends     Options.CallbackTimeout  30 s; neither the response nor a client's disconnect ends it
//	lease ends                  (not an option)          10 s after the callback's context
//
// A request context may have an earlier deadline, set by http.TimeoutHandler or by the platform. The handler then responds
// earlier than that deadline. The margin is a quarter of the time left, and at most 500 ms. A context that has ended before
// the arrival counts as a context without a deadline.
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
// [Options.DeadLetter] or an inbox is set, a delivery that fails on its last attempt is dead-lettered. If a vendor's
// page can be read in several ways, the earliest attempt that can be the last counts as the last. The handler counts the
// attempts of the key. It also uses the age of the signed timestamp, because it cannot count attempts that were made while
// this service was down.
//
// If neither is set, the response is 500. The exception is a WorkFlux delivery that fails on its last counted attempt: the
// handler responds 200 and drops it. A 500 would lose the event and also disable the endpoint.
//
// A copy that follows at once, such as one from a proxy, does not use up an attempt. A failure counts only if at least half
// of the vendor's shortest pause has passed since the last counted failure. The shortest pause is 1 minute for Convosphere
// and WorkFlux. EmberQA and Greenflash are silent about it, and we assume 2 s.
//
// A WorkFlux delivery has the same signed time on every attempt. While it is younger than 40 minutes, no attempt is the
// last. EmberQA and Greenflash do not sign such a time, so a delivery that a person sends again later can count as their
// last attempt. Then [Options.DeadLetter] gets the delivery early. Without a DeadLetter the response is 500. Neither loses
// the delivery.
//
// # Logging
//
// A handler logs to [Options.Logger]. The line of a delivery has the message "webhook delivery" and the outcome, and the
// attributes vendor, endpoint, outcome, reason, status, type, id, attempt, signed_by, duration_ms and error, as far as they
// apply. The page https://github.com/aihooks/aihooks-go/blob/main/docs/logs.md lists the levels, and every attribute of
// handlers, inboxes and stores. Nothing is logged at Warn or above while all deliveries are handled.
//
// # Shutdown
//
// Call http.Server.Shutdown first, so that requests finish. Then call [Handler.Shutdown], which waits for running
// callbacks. Then call the inbox's Shutdown. Give all three the same context: its deadline bounds the whole shutdown.
package webhook
