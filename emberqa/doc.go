// Package emberqa receives the webhooks of EmberQA.
//
//	hook, err := emberqa.NewHandler(emberqa.Token(os.Getenv("EMBERQA_WEBHOOK_TOKEN")), nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	hook.OnRedFlag(func(ctx context.Context, e *emberqa.RedFlag) error {
//		return pager.Alert(ctx, e.FileName, e.RedFlagReason) // nil: 200. An error: 500, and EmberQA delivers it again.
//	})
//	http.Handle("POST /webhooks/emberqa/{token}", hook)
//
// What is done with a delivery, and what it is answered with, says package webhook.
//
// # What EmberQA documents
//
// On its webhook page: three types of events, with all their fields; an answer with 200 to 299 within 30 seconds; two
// retry attempts; and that webhook_id tells duplicates and is to be kept for at least 24 hours.
//
// # What it does not say, and what this package does about it
//
//   - Nothing is signed. EmberQA takes a URL and no more, so the secret has to stand in the URL: see [Credential]. Keep
//     that URL out of the logs of proxies and out of traces. There is no window of time either: a captured delivery can
//     be replayed once its webhook_id has been forgotten.
//   - "Retry Attempts: 2" may mean two deliveries or three, and when they come is not said. The second is taken to be
//     the last, see [Config.Attempts]. Set up an inbox, or [webhook.Options.DeadLetter], where an event must not be
//     lost.
//   - Alerts carry a time, completions carry none.
//   - Whether a completion is of a call, a document or a workflow: see [Completion.Kind].
//
// EmberQA's own sample marks a webhook_id as processed before it handles the webhook, so an error loses the event. Here
// it is marked once the callback has returned nil.
//
// # Payloads
//
// The whole body is decoded into the event; there is no envelope around it. What the documentation calls optional, or
// may be null, is a pointer. A field of another type than documented stays unset, and
// [webhook.Event.Undecoded] names it. What is new is in [webhook.Event.Unknown], every byte in Delivery().Body.
package emberqa
