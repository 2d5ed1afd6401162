// Package riverinbox is an inbox on River, a job queue in PostgreSQL. It is for services that run as several processes
// and already have PostgreSQL. Every process can receive deliveries. Every process that calls Run runs callbacks. The
// module is inbox/river. The package is named riverinbox because a program that uses it also imports River.
//
// The module needs Go 1.26 or later, because River does.
//
// River needs its workers before its client, and the inbox needs the client. So there are three steps:
//
//	box, err := riverinbox.New(pool, nil)
//	config := &river.Config{…}              // yours; it may have other workers and queues
//	err = box.Configure(config)             // adds the inbox's worker, and checks the rest
//	client, err := river.NewClient(riverpgxv5.New(pool), config)
//	err = box.Use(ctx, client)              // from here on the inbox accepts deliveries
//	err = client.Start(ctx)
//	go box.Run(ctx, hook)
//
// The inbox uses River's tables, the table of the idempotency store, and a small one next to River's tables:
// aihooks_inbox_record has the pauses and the audit. [Inbox.Migrate] creates and updates them all. Every replica may call
// it, and once the tables are up to date, so may a user without the right to create tables. [Inbox.Use] reports a missing
// table. River's package rivermigrate and its command take no lock: if two of them migrate an empty database at once, one
// fails.
//
// A program with its own migrations creates the tables with River's command, the SQL of sqlstore.Schema and that of
// [Schema]. Inboxes of older versions lack the table of [Schema]: call Migrate after the update, or create it before.
//
// # What a delivery is
//
// A delivery is a job of the kind [Kind], in the queue of its vendor and endpoint, such as aihooks|greenflash|default.
// River's own tools work on it: QueuePause pauses an endpoint, and River UI shows its deliveries. The attempts are in
// the job's output. MaxAttempts of the job is River's highest value. The [inbox.Policy] decides when to give up, also
// for deliveries that were stored under another policy. Dead letters are the cancelled and the discarded jobs. A
// delivery that is cancelled with River's JobCancel becomes a dead letter.
//
// # Tools
//
// [Attach] opens the inbox of a service with only a pool and the name of River's schema. The inbox then has all methods of
// [inbox.Operator]: it lists, retries, discards, counts and pauses. It works next to a running service, and reads also on
// a read-only connection.
//
// [Inbox.Pause] defers the deliveries of a scope in every process. River's QueuePause also pauses an endpoint, but its
// deliveries stay pending.
//
// # What differs from River's defaults
//
// River's JobCompleteTx is not fenced. If a job was rescued from a slow process, both processes can commit. Use
// [Inbox.CompleteTx] instead: only one of them can commit. A result that arrives after the lease has ended changes
// nothing. The exception is the time in which River writes the result: up to 250 ms, and longer while it cannot reach the
// database. It only checks that the job is running, in any process.
//
// River rescues the jobs of a crashed process after one hour. Here it does so after [Options].Lease, two minutes by
// default. River looks every 30 seconds, and runs the job up to 5 seconds later.
//
// River also rescues a job whose callback still runs after that time. Here a Run renews the lease while the callback
// runs, for any time: three times per lease it sets the job's attempted_at to the current time. So River UI shows when
// the lease was renewed, not when the attempt began.
//
// River's unique jobs do not cover cancelled and discarded jobs, so a dead letter could be stored and run again. Here
// jobs are unique in all states.
//
// River deletes completed and cancelled jobs after 24 hours and discarded ones after 7 days. [Inbox.Configure] sets 7
// days for completed jobs and 30 days for cancelled and discarded ones, and refuses less. This applies to all jobs of
// the client. Bodies are kept as long as their jobs.
//
// River's JobSnooze counts no attempt. So an attempt that counts returns an error, and its backoff comes from the policy
// instead of River's own. Only an attempt that does not count is snoozed.
//
// River's arguments are jsonb. The body is stored as base64, which is a third longer.
//
// A pooler in transaction mode, such as PgBouncer, supports neither LISTEN nor prepared statements across transactions.
// Set river.Config.PollOnly, and default_query_exec_mode=exec in the pool's DSN. Deliveries then start up to
// [Options].Poll later. River polls each queue separately, so an idle client costs more with each endpoint. Raise
// Options.Poll if there are many.
//
// River announces at most one job of a queue within the client's FetchCooldown, which is 100 ms. A job that is not
// announced waits for the next announcement, or until River polls, which is once a second. Here FetchCooldown is
// [Options].FetchCooldown, 20 ms by default, and the poll interval is [Options].Poll, 250 ms by default.
//
// River's drivers for SQLite and database/sql are not supported: the client must use pgx. For a single machine, use
// inbox/sqlite.
//
// # Operation
//
// Pass the configuration of every client in the schema to Configure, unless the client has LeaderElectionDisabled: any
// client may become River's leader. A leader that does not know the worker discards the jobs that it should rescue, and
// they become dead letters. A leader with shorter retention periods deletes too early. At least one client must be
// started. The leader rescues jobs, deletes old ones, and schedules retries with a backoff of more than 5 seconds.
//
// A backoff of more than 5 seconds may take up to 5 seconds longer, because the leader checks every 5 seconds. A shorter
// one may take up to [Options].Poll longer.
//
// River writes the result of a callback up to 250 ms later. If the process crashes before that, the delivery is
// processed again. The store knows that it is completed, so the callback does not run again. This costs an attempt.
//
// If a Run cannot reach the server for as long as the lease, River may give its deliveries to another process. The
// results of this Run then change nothing, and it logs a warning. River's JobCancel of a running delivery takes effect when its callback has returned.
//
// [Inbox.Use] refuses synchronous_commit = off and fsync = off, because deliveries would be acknowledged before they are
// on disk. If a replica is promoted that has not received the last commits, those deliveries are lost. To prevent that,
// set synchronous_standby_names.
//
// While the server is down or does not respond, handlers respond 503 within their StoreTimeout, and no callback starts.
// The inbox continues by itself when the server is back. Deliveries that were fetched at that moment run again after the
// lease.
//
// After a failover a pool may keep connections to a server that refuses writes (SQLSTATE 25006). The inbox then closes
// the pool's connections, and repeats the statements that the server refused. River owns the connection that it uses for
// LISTEN. If the old server keeps that connection open, this process receives no notifications, and callbacks start up
// to 30 seconds later until the process is restarted. With PollOnly there is no such connection.
//
// # Permissions
//
// Once [Inbox.Migrate] has run, the pool's user needs SELECT, INSERT, UPDATE and DELETE on River's tables, the inbox's and
// the store's, and USAGE on their schemas and on River's sequences. It needs no right to create. The tables may be in any
// schema: see river.Config.Schema and [Options].Table, or use the search path. The inbox's table is in River's schema.
//
// A tool that only reads needs SELECT on river_job and aihooks_inbox_record, and USAGE on their schema.
//
// # Size
//
// One jsonb value holds at most 268,435,455 bytes, so a handler with a MaxBody above 189 MiB is refused. Storing takes
// about 0.1 seconds per MiB of the body. A delivery that takes longer than the handler's StoreTimeout gets 503 each
// time.
//
// # Clocks
//
// Due times are by the database's clock. The inbox measures in Use, and then every minute, how much the clock of the
// process differs. If it is more than a second, the inbox logs a warning and corrects its due times. A process whose
// clock is ahead may run a delivery up to a second late. River itself rescues and deletes jobs by the clock of the
// process. A clock that is behind delays the rescue by the difference. [Inbox.Use] refuses a clock that is more than a
// day ahead of the database's.
//
// # Connections
//
// The handlers, the store and River share the pool. Each delivery that is being enqueued uses one connection. River
// keeps one for LISTEN. The store works in batches: it uses one connection for the callbacks that begin, and one for
// those that end. A callback that no batch can settle, because its key was claimed before or is locked, uses a separate
// connection. So does the next batch, if the current one has taken longer than 100 ms. Set MaxConns to about half of
// Policy.Concurrency, and keep the sum over all processes below the server's max_connections.
//
// # Shutdown
//
// Call http.Server.Shutdown, then Handler.Shutdown, then [Inbox.Shutdown], then Client.Stop, then [Inbox.Close], and
// then close the pool. Client.Stop writes the results of the last callbacks. Give the first four the same context: its
// deadline is that of the whole shutdown. If that context has ended, give Client.Stop a few seconds. Do not end the
// context of Client.Start before.
package riverinbox
