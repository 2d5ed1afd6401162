// Package inbox stores deliveries durably and runs their callbacks later. It runs them with retries, across restarts, and
// never twice at the same time. The vendor gets its response at once.
//
// All four vendors tell their users to acknowledge within seconds and to process in the background. A goroutine is not
// enough for that: every deploy loses the deliveries that were acknowledged and not yet processed.
//
// This package has what a user of any engine needs. Package inbox/engine has what the author of an engine needs. A user
// opens one of the engines below this folder, sets it as webhook.Options.Inbox of the handlers, and calls Run:
//
//	box, err := sqliteinbox.Open("inbox.db", nil)
//	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box})
//	hook.OnConversationCompleted(...)
//	http.Handle("POST /webhooks/workflux", hook)
//	go box.Run(ctx, hook)
//
// # Guarantees
//
// A delivery that got the response 200 is stored durably. It stays stored until a callback has handled it, or an operator
// has decided about it. If the vendor sends the same delivery again, the inbox recognizes its first key and does not store
// it a second time.
//
// The handler's [idempotency.Store] guards every callback, as if the delivery had just arrived. Within one process, a key
// never runs twice at the same time. Another process may run it once the lease has ended; then the store accepts exactly
// one completion. A callback that completes the delivery in its own transaction takes effect exactly once.
//
// Deliveries run in no particular order. Vendors send them in no particular order, and a failed delivery runs after later
// ones. A callback that needs an order must compare the times of the events.
//
// # Outcomes
//
//	the callback                                          the delivery
//	returns nil or webhook.Ignore                         is done
//	had completed the delivery before                     is done
//	returns an error, or panics                           is retried after a backoff that grows
//	returns webhook.RetryAfter(d, err)                    is retried after d
//	has failed Policy.MaxAttempts times                   is a dead letter
//	returns webhook.Permanent, or the body does not fit   is a dead letter at once
//	could not run: store down, duplicate running, limits  is retried; this attempt does not count
//	failed after a shutdown had canceled it               is run by the next process; this attempt does not count
//	did not return before its process crashed             is retried after lease and backoff: see Crashes
//	does not exist for the type                           is deferred until a handler has one; a warning is logged
//
// A dead letter is kept with its last error and all attempts. See [Inbox.DeadLetters], [Inbox.Retry], [Inbox.Rerun] and
// [Inbox.Discard], which select dead letters by ID, or by vendor, endpoint, type and time.
//
// # Crashes
//
// A crash of the process ends all callbacks that run, and at most one of them caused it. So the first loss of a delivery
// does not count, and makes the delivery a suspect. A suspect runs again after a backoff. Each process runs one suspect at
// a time, next to any number of other deliveries. If the process crashes again, the attempt of that suspect counts, and the
// other deliveries that ran become suspects. A delivery that crashes every process is a dead letter after MaxAttempts + 1
// crashes. If the callback returns, with any result, the delivery is no longer a suspect.
//
// After a process was killed without a drain, all deliveries that it ran are suspects: at most Concurrency. Each other
// process runs them one at a time. For example, 64 callbacks of 100 ms take 6.4 s, and 64 of 30 s take half an hour. On
// River each takes a second more. All other deliveries run as before.
//
// Some crashes have another cause than a callback or a delivery, such as a lack of memory. They count against the one
// suspect that runs. So with MaxAttempts of 1 or 2, a delivery can become a dead letter without having caused a crash.
//
// # Adding and removing endpoints
//
// A service can add endpoints while it runs, for example one for each tenant. Then it has one Run, and adds each handler
// to the inbox:
//
//	go box.Run(ctx, hooks...)
//	box.Add(hook)        // a new tenant: its stored deliveries run at once
//	box.Remove(hook)     // a tenant leaves: no more callbacks begin
//	hook.Shutdown(ctx)   // waits for the callbacks that run
//
// Limits apply to all handlers of a Run together. A Run without due deliveries costs about the same for one endpoint as for
// a thousand on SQLite, and on River unless River only polls. On JetStream each endpoint waits with a separate request.
//
// The name of an endpoint is its vendor's Config.Endpoint: 1 to 64 letters, digits, dots, underscores and dashes. Upper and
// lower case differ. The name is stored with each delivery, and it is part of the keys that identify duplicates. So choose
// a name that does not change, such as the tenant's id. Its address or title may change. Deliveries that were stored under
// an old name wait until a handler has that name.
//
// # Shutdown
//
// Call http.Server.Shutdown first, then Handler.Shutdown, then [Inbox.Shutdown], then [Digest.Close] if there is a digest, and
// then close the engine. Deliveries are stored, with the response 200, until the listener is closed. The next process runs
// the deliveries that a Run leaves.
//
// Pass the same context to all of them. Its deadline is that of the whole shutdown, and [Policy.DrainTimeout] has no effect.
// At the deadline, callbacks are canceled. About a second later, the last step has returned. If the platform kills the
// process after 30 s, as Kubernetes does, use a deadline of 25 s. On Cloud Run, with 10 s, use 8 s.
//
// # What is stored
//
// An inbox stores the body, the keys that identify the delivery, and the headers that the vendor's page names. It stores no
// signature, no credential, no cookie, and never the URL. It stores the errors of callbacks as text, so keep secrets out of
// errors.
package inbox
