// Package standardwebhooks receives the webhooks of every sender that follows the Standard Webhooks specification. Senders
// that use Svix do. By default, Svix calls the headers svix-id, svix-timestamp and svix-signature: see [Config.HeaderPrefix].
//
//	type Invoice struct {
//		Number string `json:"number"`
//	}
//
//	hook, err := standardwebhooks.NewHandler(os.Getenv("STANDARDWEBHOOKS_SECRET"), nil) // whsec_…
//	if err != nil {
//		log.Fatal(err)
//	}
//	standardwebhooks.On(hook, "invoice.paid", func(ctx context.Context, e *standardwebhooks.Event[Invoice]) error {
//		return ledger.Add(ctx, e.Data.Number) // nil: 200. An error: 500, and the sender delivers it again.
//	})
//	http.Handle("POST /webhooks/standardwebhooks", hook)
//
// See package webhook for how deliveries are processed and which status each outcome gets.
//
// # What the specification says
//
//   - The header webhook-signature has one or more signatures, each "v1," with an HMAC-SHA256 or "v1a," with an Ed25519
//     signature, in base64. They cover the webhook-id, the webhook-timestamp and the body. One that matches is enough.
//   - A secret is written as whsec_ and base64, and a public key as whpk_ and base64. A private key, which only a sender has,
//     is whsk_ and base64. The reference libraries write its seed of 32 bytes.
//   - The webhook-timestamp is the time of the attempt. A sender makes a new one for each retry.
//   - The webhook-id is the same on every attempt. A delivery with a known webhook-id is a duplicate.
//   - The body should be JSON, with the members type, timestamp and data. This package requires a JSON object. An event
//     without a type has the empty type.
//
// The specification is https://github.com/standard-webhooks/standard-webhooks, version 1.0.0.
//
// # What it does not say
//
// These are our choices:
//
//   - The maximum age of an attempt is 5 minutes. See [Config.Window].
//   - The handler responds within 13.5 seconds, because senders should wait at least 15. See webhook.Options.ResponseTimeout.
//   - Keys are remembered for at least the 75 hours and 36 minutes of the specification's example of a retry schedule.
//   - A webhook-id has at most 128 visible ASCII characters, without a dot.
package standardwebhooks
