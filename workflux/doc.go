// Package workflux receives the webhooks of WorkFlux.
//
//	hook, err := workflux.NewHandler(os.Getenv("WORKFLUX_WEBHOOK_SECRET"), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	hook.OnConversationCompleted(func(ctx context.Context, e *workflux.ConversationCompleted) error {
//		return crm.Close(ctx, e.ConversationID) // nil: 200. An error: 500, and WorkFlux delivers it again.
//	})
//	http.Handle("POST /webhooks/workflux", hook)
//
// See package webhook for how deliveries are processed and which status each outcome gets.
//
// # What WorkFlux documents
//
// Its Webhooks Guide documents:
//
//   - Nine events, four of them with the full payload.
//   - The signature: X-Workflux-Signature carries the HMAC-SHA256 of the raw body in hex. The body contains the time, so
//     the signature covers the time.
//   - Five attempts: at once, and after 1, 5, 15 and 60 minutes. After the fifth failure WorkFlux disables the webhook.
//   - Success is 200. WorkFlux retries after 408, 429, 500, 502, 503 and 504, and not after 400, 401 and 404.
//
// A delivery that fails on its fifth attempt gets a 200, because another failure would not bring it back and WorkFlux
// would disable the endpoint. It is passed to [webhook.Options.DeadLetter]. Without one, it is dropped and logged as an
// error.
//
// # What WorkFlux does not document
//
// These are our choices. You can change all but the first:
//
//   - Five payloads are not published. Their types are best guesses, and their comments say so. The event's Unknown
//     returns the fields that the type does not have.
//   - A delivery has no id. It is a duplicate if the digest of its body is known. This assumes that the body is the same
//     on every attempt. [Config.DedupKey] replaces this rule.
//   - The maximum age of a delivery is two hours, longer than the attempts take in either reading. The guide also does
//     not say whether the timestamp is the event's or the attempt's. See [Config.Window].
//   - The response is sent within 4.5 seconds. See [webhook.Options.ResponseTimeout].
package workflux
