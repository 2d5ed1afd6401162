// Package convosphere receives Convosphere's webhooks: authentic, fresh, once, and as typed events.
//
//	hook, err := convosphere.NewHandler(os.Getenv("CONVOSPHERE_WEBHOOK_SECRET"), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	hook.OnMessageCompleted(func(ctx context.Context, e *convosphere.MessageCompleted) error {
//		return usage.Add(ctx, e.AgentID, e.TokensUsed.Total) // nil: 200. An error: 500, and it is delivered again.
//	})
//	http.Handle("POST /webhooks/convosphere", hook)
//
// The table of package webhook says what a callback's error means, and what is answered when.
//
// # What Convosphere documents
//
// Its webhook page lists six events. It waits five seconds for a 200. A delivery that failed comes again after 1, 2, 4,
// 8 and 16 minutes; a 5xx and 429 are tried again, any other 4xx ends the attempts for good. So nothing that should
// come again is answered 4xx here.
//
// Its public API gives the rest: the header X-Convosphere-Signature with the HMAC-SHA256 of the body in hex; an envelope
// of id, type, timestamp and data, which the signature covers; and the payloads of message.created and
// message.completed. The id and the type are what a duplicate is recognised by. A duplicate
// with another body, such as a second test event with the id of the first, is not run and is logged at Warn.
//
// When a webhook is created, Convosphere sends a test event. Of what type is not documented; like every event without a
// callback it is answered 200, also when it has no id or no timestamp, or an old one. OnUnhandled and Before see it only
// if its timestamp is fresh. A documented event that is called back for needs its timestamp and is answered 400 without.
//
// The secret is optional when a webhook is created (POST /api/integrations/webhooks), and the caller chooses it. What is
// sent without one is not documented: set one, since this package takes signed deliveries only.
//
// The signature is checked over the bytes as they came. Convosphere's own sample prints the parsed body again before it
// signs: what is in front of this handler must not do so.
//
// # What it is silent about
//
//   - Four payloads are not published. Their types are best guesses and say so; what has no field of its own is in
//     the event's Unknown.
//   - It does not say how old a delivery may be. The window is one hour, longer than the attempts take; see
//     [Config.Window].
//   - It does not say whether its five attempts count the first. We take them for five after the first; see
//     [Config.Attempts].
package convosphere
