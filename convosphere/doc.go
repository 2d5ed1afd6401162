// Package convosphere receives the webhooks of Convosphere.
//
//	hook, err := convosphere.NewHandler(os.Getenv("CONVOSPHERE_WEBHOOK_SECRET"), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	hook.OnMessageCompleted(func(ctx context.Context, e *convosphere.MessageCompleted) error {
//		return usage.Add(ctx, e.AgentID, e.TokensUsed.Total) // nil: 200. An error: 500, and Convosphere delivers it again.
//	})
//	http.Handle("POST /webhooks/convosphere", hook)
//
// See package webhook for how deliveries are processed and which status each outcome gets.
//
// # What Convosphere documents
//
// Its webhook page lists six events. Convosphere waits five seconds for a 200. It retries a failed delivery after 1, 2, 4,
// 8 and 16 minutes. It retries after a 5xx or a 429, and never after another 4xx. This package therefore never responds
// with 4xx to a delivery that Convosphere should retry.
//
// Its public API documents the rest:
//
//   - The header X-Convosphere-Signature carries the HMAC-SHA256 of the body in hex.
//   - The body is an envelope of id, type, timestamp and data. The signature covers all of it.
//   - The payloads of message.created and message.completed.
//
// # Duplicates
//
// A delivery is a duplicate if its id and type are known. A duplicate with another body does not run, and is logged at
// level Warn. An example is a second test event with the id of the first.
//
// # The test event
//
// Convosphere sends a test event when a webhook is created. Its type is not documented. Like every event without a
// callback, it gets a 200, even if its id or timestamp is missing or its timestamp is old. OnUnhandled and Before see it
// only if its timestamp is fresh. An event that has a callback needs a timestamp, and gets a 400 without one.
//
// # Setup
//
// You choose the secret when you create a webhook (POST /api/integrations/webhooks). It is optional there, but required
// here, because this package accepts signed deliveries only.
//
// The signature is checked over the bytes as received. Do not put a proxy in front of this handler that parses and
// reprints the body. Convosphere's own sample does so before it checks the signature.
//
// # What Convosphere does not document
//
// These are our choices:
//
//   - Four payloads are not published. Their types are best guesses, and their comments say so. The event's Unknown
//     returns the fields that the type does not have.
//   - The maximum age of a delivery is one hour, longer than the retries take. See [Config.Window].
//   - "Five attempts" is read as five retries after the first attempt. See [Config.Attempts].
package convosphere
