// Package workflux receives WorkFlux's webhooks: authentic, fresh, once, and as typed events.
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
// The table of package webhook says what a callback's error means, and what is answered when.
//
// # What WorkFlux documents
//
// Its Webhooks Guide lists nine events and gives the payload of four in full. A delivery is signed with
// X-Workflux-Signature, the HMAC-SHA256 of the raw body in hex, and carries its time in the body, so the time is signed
// too. It is attempted five times: at once, after 1, 5 and 15 minutes, and after an hour. After the fifth failure
// WorkFlux disables the webhook. Success is 200; it tries again after 408, 429, 500, 502, 503 and 504, and gives the
// delivery up after 400, 401 and 404.
//
// So a delivery that fails on its fifth attempt is parked with [webhook.Options.DeadLetter] or given up with an error
// in the log, but answered 200: another failure would not bring it back, and would cost the endpoint.
//
// # What it is silent about
//
// What follows is our choice, and all but the first can be changed.
//
//   - Five payloads are not published. Their types are best guesses and say so; what has no field of its own is in
//     the event's Unknown.
//   - There is no id. Whether a delivery came before is told by a digest of its body, which takes for granted that the
//     body stays the same on every attempt. [Config.DedupKey] puts another rule in its place.
//   - It does not say how old a delivery may be, nor whether its time is that of the event or of the attempt. The
//     window is two hours, longer than the attempts take however they are counted; see [Config.Window].
//   - It does not say how long it waits for an answer. We answer within 4.5 seconds; see
//     [webhook.Options.ResponseTimeout].
package workflux
