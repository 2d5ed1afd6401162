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
// See package webhook for how deliveries are processed and which status each outcome gets.
//
// # What EmberQA documents
//
// Its webhook page documents:
//
//   - three types of events, with all their fields;
//   - that a receiver must respond with 200 to 299 within 30 seconds;
//   - two retry attempts;
//   - that webhook_id identifies duplicates, and that a receiver must keep it for at least 24 hours.
//
// # What EmberQA does not document
//
// These are our choices:
//
//   - Authentication: EmberQA signs nothing, and is configured with a URL only. The URL must therefore contain the
//     secret, see [Credential]. Keep that URL out of traces and out of the logs of proxies.
//   - Replays: there is no time window, because no time is signed. An attacker can replay a captured delivery once the
//     store has forgotten its webhook_id.
//   - Retries: "Retry Attempts: 2" may mean two or three deliveries, and the pauses are not documented. The second
//     attempt is treated as the last, see [Config.Attempts]. If you must not lose an event, set up an inbox or
//     [webhook.Options.DeadLetter].
//   - Time: alerts have a time, completions have none.
//   - Kind of a completion: EmberQA does not send whether it is for a call, a document or a workflow. See
//     [Completion.Kind].
//
// EmberQA's own sample marks a webhook_id as processed before it handles the webhook, so an error loses the event. This
// package marks it after the callback has returned nil.
//
// # Payloads
//
// The whole body is decoded into the event; it has no envelope. A field is a pointer if EmberQA documents it as optional
// or nullable. A field of an unexpected type stays unset, and [webhook.Event.Undecoded] names it.
// [webhook.Event.Unknown] returns fields that the Go type does not have. Delivery().Body returns every byte.
package emberqa
