// Package greenflash receives the webhooks of Greenflash.
//
//	hook, err := greenflash.NewHandler(os.Getenv("GREENFLASH_WEBHOOK_SECRET"), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	hook.OnConversationFrustration(func(ctx context.Context, e *greenflash.ConversationFrustration) error {
//		return pager.Alert(ctx, e.ConversationID) // nil: 200. An error: 500.
//	})
//	http.Handle("POST /webhooks/greenflash", hook)
//
// See package webhook for how deliveries are processed and which status each outcome gets.
//
// # What Greenflash documents
//
// The webhook page of https://docs.greenflash.ai documents:
//
//   - twelve types of events, and what triggers each;
//   - that a receiver must respond with 2xx within 5 seconds;
//   - three headers, which carry a signature, the time of sending and the id of the delivery;
//   - that a receiver must reject webhooks older than 5 minutes.
//
// # What Greenflash does not document
//
// These are our choices:
//
//   - Signed bytes: the package accepts the three forms that [Form] lists. The signature is HMAC-SHA256 in hex, with or
//     without the prefix "sha256=". [Config.Form] accepts one form only.
//   - Unit of the timestamp: 10 digits are seconds, 13 digits are milliseconds.
//   - Retries: each attempt is treated as the last, see [Config.Attempts]. If you must not lose an event, set up an inbox
//     or [webhook.Options.DeadLetter].
//   - Envelope, type: it is read from "type", "event" or "eventType". The first documented type among the values wins.
//     If there is no documented type, the first string wins.
//   - Envelope, other fields: the id is read from "id", the time from "timestamp" or "createdAt". The event's fields are
//     read from "data" or, without "data", from the top level.
//   - Fields of the events: the names come from Greenflash's public API, as in its TypeScript SDK 1.4.0 of November 2026.
//     They are a best guess. An id that was not sent is empty. Any other field that was not sent is nil, so check it
//     before you dereference it. A field of an unexpected type stays unset, and [webhook.Event.Undecoded] names it.
//
// A wrong guess hides nothing. [webhook.Event.Unknown] returns every field that the Go type does not have, and
// Delivery().Body returns every byte as received. Check both after "Test Delivery" in Greenflash's settings has sent you
// a sample.
//
// # Duplicates
//
// A delivery is a duplicate if its signed bytes are known. In the forms that sign the timestamp, it is also a duplicate if
// its delivery id and its body together are known, because a new attempt may have a new timestamp.
//
// Two genuine deliveries with the same body are one event in [FormBody]. In [FormTimestamp] they are one event if they
// were sent in the same second. The package does not use the id inside the body, because it may be the conversation's.
//
// # Replays
//
// What can an attacker without the secret do with a captured delivery? It depends on the form:
//
//   - [FormDelivery] signs the id and the timestamp. The attacker can do nothing.
//   - [FormTimestamp] does not sign the delivery id. A delivery that has run does not run again under another id, because
//     its signed bytes are known. Two attacks remain possible within [Config.Window], because they look like the vendor's
//     own retry. First: a delivery fails, and the attacker replays it successfully under another id. It then runs
//     once more when Greenflash sends it again with a new timestamp. Second: the attacker knows the id of a later
//     delivery with the same body. A capture that is replayed under that id makes the later delivery a duplicate.
//   - [FormBody] does not sign the timestamp. A capture of any age passes the window with a new timestamp. It is a
//     duplicate while the store remembers the body. If the body has a time, it is refused when it is older than what the
//     store remembers: its retention or, for a store in memory, the time since it was created, but at least
//     [Config.Window]. So after a restart, a store in memory costs genuine deliveries too: a later attempt of an event from
//     before is refused as stale. If the body has no time, a capture runs again after the store's retention, and after a
//     restart if the store is in memory. A Warning says so once. Use a durable store with a long retention, or callbacks
//     that may run twice.
package greenflash
