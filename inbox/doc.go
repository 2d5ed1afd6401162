// Package inbox takes deliveries durably, so that the vendor can be answered at once, and runs their callbacks later:
// with retries, across restarts, and never twice at once. All four vendors tell their users to acknowledge within
// seconds and to process in the background; a goroutine that does so loses what it has acknowledged with every deploy.
//
// This package has what a user of any engine needs; inbox/engine has what the author of an engine needs. A user
// opens an engine, in a folder below, gives it to the handlers as webhook.Options.Inbox, and has it run them:
//
//	box, err := sqlite.Open("inbox.db", nil)
//	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box})
//	hook.OnConversationCompleted(...)
//	http.Handle("POST /webhooks/workflux", hook)
//	go box.Run(ctx, hook)
//
// # What is promised
//
// A delivery that was answered 200 is stored, durably, and stays so until a callback has handled it, or an operator has
// decided about it. The same delivery, sent again, is recognised by its first key and not stored a second time.
//
// Every callback is guarded by the handler's [idempotency.Store], as if the delivery had just arrived: within a process a
// key never runs twice at once; elsewhere it may run once a lease has ended, and then exactly one completion is
// accepted. A callback that completes the delivery in its own transaction takes effect exactly once.
//
// Deliveries are run in no particular order: vendors send in none, and a failed attempt comes later than its
// successors. A callback that needs an order looks at the event's time.
//
// # What becomes of a delivery
//
//	the callback                                          the delivery
//	returns nil or webhook.Ignore                         is done
//	was found to have completed it before                 is done
//	returns an error, or panics                           is tried again after a backoff that grows
//	returns webhook.RetryAfter(d, err)                    is tried again after d
//	has failed Policy.MaxAttempts times                   is a dead letter
//	returns webhook.Permanent, or the body does not fit   is a dead letter at once
//	could not be run: store away, twin running, limits    is tried again; this does not count
//	failed after a shutdown had canceled it               is run by the next process; this does not count
//	died with its process                                 is tried again after lease and backoff: see Crashes
//	does not exist for the type                           waits until a handler with one runs; a warning is logged
//
// Dead letters are kept with their last error and all attempts, for [Inbox.DeadLetters], [Inbox.Retry], [Inbox.Rerun] and
// [Inbox.Discard], one by one or by vendor, endpoint, type and time.
//
// # Crashes
//
// A process that dies takes all callbacks with it that run, and one of them at most is guilty. So the first loss of a
// delivery does not count, and makes it a suspect. A suspect runs again after a backoff, and a process runs one suspect at
// a time, next to as many others as it likes. If the process dies again, the attempt of that suspect counts, and the
// others that ran become suspects. A delivery that kills every process is a dead letter after MaxAttempts + 1 crashes.
// A callback that returns, with whatever result, ends the suspicion.
//
// After a process was killed without a drain, the deliveries that it ran, at most Concurrency, are run one at a time by each
// other process: 64 of 100 ms take 6.4 s, and 64 of 30 s half an hour. On River each takes a second more. All other
// deliveries run as before.
//
// A crash that neither callback nor delivery caused, such as a lack of memory, blames the one suspect that runs. So
// MaxAttempts of 1 or 2 can make a dead letter of an innocent delivery.
//
// # Endpoints that come and go
//
// A service whose endpoints are added while it runs, such as one for each tenant, has one Run and tells it of each handler:
//
//	go box.Run(ctx, hooks...)
//	box.Add(hook)        // a new tenant: what is stored runs at once
//	box.Remove(hook)     // a tenant leaves: nothing more is begun
//	hook.Shutdown(ctx)   // and waits for its callbacks
//
// Limits hold for all handlers of the Run together. A Run that has nothing to do costs about the same for one endpoint as
// for a thousand, on SQLite and, unless River polls only, on River; on JetStream each endpoint waits with a request of
// its own.
//
// An endpoint is known by the name in its vendor's Config.Endpoint: 1 to 64 letters, digits, dots, underscores and dashes,
// where upper and lower case differ. The name is stored with each delivery and is part of the keys that duplicates are
// recognized by. So choose one that does not change, such as the tenant's id, and not its address or title: what
// was stored under an old name stays until a handler has that name.
//
// # Shutdown
//
// http.Server.Shutdown first, then Handler.Shutdown, then [Inbox.Shutdown], then close the engine. Until the listener is
// closed deliveries are stored and answered 200. What a Run leaves is run by the next process.
//
// Give all of them one context. Its deadline is that of the whole shutdown, whatever [Policy.DrainTimeout] is: when it ends,
// callbacks are canceled, and about a second later the last step has returned. A platform that kills the process after
// 30 s, such as Kubernetes, leaves room for a deadline of 25 s; Cloud Run, with 10 s, for one of 8 s.
//
// # What is stored
//
// The body, what the delivery is recognised by, and the headers that the vendor's own page names: no signature, no
// credential, no cookie, and never the URL. Errors of callbacks are stored as text: what must not be in there must not be
// in an error.
package inbox
