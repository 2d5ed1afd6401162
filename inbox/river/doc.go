// Package riverinbox is an inbox on River, a queue in PostgreSQL: for services of several processes that have a
// PostgreSQL already. Every process may take deliveries, and every process with a Run calls back for them. The module is
// inbox/river; its package has a name of its own because a program that uses it imports River as well.
//
// The module needs Go 1.26 or later, because River does.
//
// River wants its workers before its client, and the inbox needs the client. So there are three steps:
//
//	box, err := riverinbox.New(pool, nil)
//	config := &river.Config{…}              // the caller's own; it may hold other workers and queues
//	err = box.Configure(config)             // adds the inbox's worker, and checks the rest
//	client, err := river.NewClient(riverpgxv5.New(pool), config)
//	err = box.Use(ctx, client)              // from here on deliveries are taken
//	err = client.Start(ctx)
//	go box.Run(ctx, hook)
//
// The tables are River's own and that of the idempotency store. [Inbox.Migrate] makes and updates both, and is safe to call
// from every replica, and with a user who may not create tables once they are up to date. [Inbox.Use] reports a missing table. River's package rivermigrate and its command are not: of two that migrate an empty database at once,
// one fails.
//
// # What a delivery is
//
// A job of the kind [Kind], in a queue of its vendor's endpoint: aihooks|greenflash|default. River's own tools work on it:
// QueuePause pauses an endpoint, River UI shows its deliveries. The attempts are in the job's output. MaxAttempts of the job is
// River's highest: the [inbox.Policy] decides, also about what was stored under another. Dead letters are the cancelled and the
// discarded jobs; a delivery that is cancelled by River's means becomes one.
//
// # River's traps, and what becomes of them
//
// River's JobCompleteTx is not fenced: two processes that have a job, because it was rescued from a slow one, both commit. Use
// [Inbox.CompleteTx], of which one commits. What comes of a callback after its lease changes nothing, but for a moment
// of up to 250 ms in which River writes what came of it.
//
// River rescues what a process leaves behind after an hour. Here it is [Options].Lease, two minutes, then up to 30
// seconds until River looks, and up to 5 until it runs. A worker with Timeout -1 is never rescued; ours has the lease.
//
// River's unique jobs leave out those that are dead, so that a delivery would be run again that is a dead letter. Here they
// are unique in all states.
//
// River forgets completed and cancelled jobs after 24 hours and discarded ones after 7 days. [Inbox.Configure] sets 7 and
// 30 days, and refuses less. That holds for all jobs of the client. The bodies are kept as long.
//
// River's JobSnooze counts no attempt. What counts is an error, with the rest that the policy says instead of River's fourth
// power; only what does not count is a snooze.
//
// River's arguments are jsonb. The body travels as base64, a third larger.
//
// A pooler in transaction mode, such as PgBouncer, knows neither LISTEN nor prepared statements that last: set
// river.Config.PollOnly, and default_query_exec_mode=exec in the pool's DSN. Deliveries then wait up to [Options].Poll.
// River polls each queue, so that the cost of an idle client grows with the endpoints: raise Options.Poll where they are many.
//
// River announces no more than one job of a queue within the client's FetchCooldown, 100 ms, and a job that is not announced
// waits for the next that is, or until River looks again, which is every second. Here it is [Options].FetchCooldown, 20 ms,
// and [Options].Poll, 250 ms.
//
// River's drivers for SQLite and database/sql are not supported: the client is one on pgx. For one machine there is
// inbox/sqlite.
//
// # What else to know
//
// Every client in the schema that may become River's leader must have been given to Configure, or have
// LeaderElectionDisabled: a leader that does not know the worker discards what it should rescue, which is then a dead letter,
// and one with shorter retentions deletes. At least one client must be started for retries that rest longer than 5 seconds,
// for the rescue and for deleting.
//
// A rest of more than 5 seconds may be up to 5 seconds longer, since the leader looks so often; a shorter one up to
// [Options].Poll.
//
// What came of a callback is written up to 250 ms later. A process that dies in between has its delivery run again, which
// the store knows to be completed; that costs an attempt.
//
// Callbacks must not take as long as the lease: River renews nothing. Let the handlers' CallbackTimeout be well below.
// River's JobCancel of a delivery that runs takes effect when its callback has returned.
//
// [Inbox.Use] refuses synchronous_commit = off and fsync = off, with which deliveries are acknowledged before they are on
// disk. A replica that takes over without having had the last commits loses them as well: see
// synchronous_standby_names.
//
// While the server is away or hangs, handlers answer 503 within their StoreTimeout, callbacks are not begun, and all goes on by
// itself once it is back. What was taken at that moment runs again after the lease.
//
// After a failover a pool may keep connections to a server that refuses writes (SQLSTATE 25006). The inbox closes the pool's
// connections then, and repeats what the server refused. The connection that River keeps for LISTEN is River's: if the old
// server keeps it open, this process is not notified any more, and callbacks start up to 30 seconds later until the
// process is restarted. With PollOnly there is no such connection.
//
// # Permissions
//
// Once [Inbox.Migrate] has run, the pool's user needs SELECT, INSERT, UPDATE and DELETE on River's tables and the store's,
// USAGE on their schemas and on River's sequences, and no right to create. The tables may be in any schema: see
// river.Config.Schema and [Options].Table, or the search path.
//
// # Size
//
// One jsonb value takes 268,435,455 bytes, so a handler with a MaxBody above 189 MiB is refused. Storing takes about
// 0.1 seconds for each MiB of the body: a delivery whose body takes longer than the handler's StoreTimeout is answered
// 503 each time.
//
// # Clocks
//
// Deliveries are due by the database's clock. The inbox measures by how much that of the process differs, in Use and every
// minute, logs a warning past a second, and schedules accordingly. A process that is ahead may run a delivery up to a second
// late. River itself rescues lost deliveries and deletes old ones by the process' clock: one that is behind rescues later
// by as much, and [Inbox.Use] refuses one that is more than a day ahead of its database.
//
// # Connections
//
// The pool is used by the handlers, one connection for each delivery that is being taken, by the store, and by River, which
// keeps one for LISTEN. The store takes one for the callbacks that begin and one for those that end, in batches; a
// callback that no batch settles, because it was claimed before or is locked, takes one of its own, and so does the next
// batch while one has taken longer than 100 ms. Set MaxConns to about half of Policy.Concurrency, and the sum over all
// processes below the server's max_connections.
//
// # Shutdown
//
// http.Server.Shutdown, then Handler.Shutdown, then [Inbox.Shutdown], then Client.Stop, which writes the outcomes of the
// last callbacks, then [Inbox.Close], then the pool. Give the first four the same context, whose deadline then is that of the
// whole shutdown, and Client.Stop a few seconds if it has ended. Do not end the context of Client.Start before.
package riverinbox
