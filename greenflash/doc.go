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
// What is done with a delivery, and what it is answered with, says package webhook.
//
// # What Greenflash documents
//
// On the webhook page of https://docs.greenflash.ai: the twelve types of events and what sets each off; an answer with
// 2xx within 5 seconds; three headers, with a signature, the time of sending and the id of the delivery; and that
// webhooks older than 5 minutes are to be rejected.
//
// # What it does not say, and what this package does about it
//
//   - What the signature is made over: see [Form]. All three forms are accepted, as HMAC-SHA256 in hex, with or
//     without "sha256=" before it. [Config.Form] pins one.
//   - The unit of the timestamp: 10 digits are seconds, 13 are milliseconds.
//   - Whether a failed delivery is sent again: one is taken to be the last, see [Config.Attempts]. Set up an inbox, or
//     [webhook.Options.DeadLetter], where an event must not be lost.
//   - The envelope: the type is read from "type", "event" or "eventType": the first whose value is a documented type,
//     or else the first that is a string. The id is read from "id", the time from "timestamp" or "createdAt", and the
//     event's fields from "data" or, where there is none, from the top level.
//   - The fields of the events: their names are taken from Greenflash's public API, as its TypeScript SDK 1.4.0 has
//     it in November 2026, and are a best guess. An id that
//     was not sent is empty, any other field that was not sent is nil; so check before you dereference. A field
//     whose type was guessed wrong stays unset, and [webhook.Event.Undecoded] names it.
//
// Nothing is hidden by a wrong guess: [webhook.Event.Unknown] returns all that the Go type has no field for, and
// Delivery().Body every byte as it was received. Look at both once "Test Delivery" in Greenflash's settings has sent
// you a sample.
//
// # Duplicates
//
// A delivery is recognised by its signed bytes and, in the forms that sign the timestamp, by its delivery id together
// with its body, because a new attempt may carry a new timestamp. Two genuine deliveries with the same body are one
// event in [FormBody], and in [FormTimestamp] if they were sent in the same second. The id inside the body is not used:
// it may be the conversation's.
//
// # Replays
//
// What a captured delivery can still do, to somebody who does not have the secret, depends on the form:
//
//   - [FormDelivery] signs the id and the timestamp: nothing.
//   - [FormTimestamp] does not sign the delivery id. A delivery that has run does not run again under another id: its
//     signed bytes are known. Within [Config.Window], two cases are open, because the vendor's own retry looks the same. A
//     delivery that failed, is replayed under another id and succeeds, runs once more when Greenflash sends it again
//     with a new timestamp. And a capture that is replayed under the id of a later delivery with the same body makes that one
//     a duplicate, for a sender who knows that id beforehand.
//   - [FormBody] does not sign the timestamp: a capture of any age passes the window under a new one. It is a duplicate
//     for as long as the store remembers the body, so it runs again after the store's retention, and after a restart with
//     a store in memory. Use a store that survives a restart, with a long retention, or callbacks that may run twice.
package greenflash
