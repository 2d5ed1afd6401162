// Package jetstreaminbox is an inbox on NATS JetStream, for users who have a JetStream cluster. See package [inbox] for
// what all inboxes guarantee. This package is a thin adapter over the user's own client.
//
// The module needs Go 1.26 or later, because nats.go does.
//
//	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
//	js, err := jetstream.New(nc)
//	box, err := jetstreaminbox.New(ctx, js, &jetstreaminbox.Options{Store: store})
//	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box})
//	...
//	go box.Run(running, hook)
//	...
//	errors.Join(server.Shutdown(ctx), hook.Shutdown(ctx), box.Shutdown(ctx)) // then close the connection
//
// It needs nats-server 2.10 or later, and was tested on 2.15. Any number of processes may share an inbox.
//
// # What JetStream does not do
//
// JetStream has no idempotency store. [Options].Store must be one that all processes share, in Redis or a database.
// JetStream itself recognizes a duplicate within [Options].Window of the first delivery, two hours by default. For a
// completed delivery, it does so only until the server that leads the stream restarts. After that the delivery is stored
// again, and the store prevents a second run. A discarded dead letter was never completed, so it may then run.
//
// JetStream does not report [webhook.ErrOtherContent], because it compares only ids.
//
// JetStream acknowledges a message before the message is on disk, and writes it within two minutes. That is different
// only if the server is configured with
//
//	jetstream { sync_interval: always }
//
// A client cannot read that setting. A stream must therefore have three replicas, so that at least two machines hold an
// acknowledged message in memory. Otherwise, [Options].ServerSyncsAlways must assert the setting. Three replicas without
// sync_interval: always survive the loss of one machine. They do not survive a loss of power on all machines at once.
// Three replicas with sync_interval: always survive both. Some streams are refused, by [New] and again when a handler is
// created: streams in memory, without acknowledgements, with persist_mode async, or with a policy that deletes old
// messages.
//
// A message has at most max_payload bytes. The server's default is 1 MiB. A handler needs its Options.MaxBody and 512
// KiB for headers and attempts. With the default MaxBody of 1 MiB, max_payload: 2MB is enough. With less, the handler is
// refused.
//
// JetStream counts how often it has delivered a message, and cannot leave out attempts that do not count. If a delivery
// must run again, the inbox publishes an attempt record, in a separate message. A delivery whose first attempt succeeds
// has no record: it costs one publish and one acknowledgement. A JetStream delivery that no process has recorded was
// lost with its process, and counts as an attempt. A delivery that was in transit when a connection broke also counts,
// because the inbox cannot tell the difference. A server that was killed may have lost the last tenth of a second. Then
// such an attempt is not counted.
//
// A server without replicas that was killed may also have restored deliveries that were acknowledged. It never delivers them
// again (https://github.com/nats-io/nats-server/issues/7680). Each Run looks for them every ten seconds, logs a warning, and
// runs them again. The store then prevents a second effect.
//
// # Streams
//
// New creates three streams if they do not exist. AIHOOKS is a work queue with the deliveries to run. AIHOOKS_DEFERRED has
// the deferred deliveries, the attempt records, the pauses and the audit. AIHOOKS_DEADLETTERS has the dead letters. An operator
// may create the streams first, with a placement, limits or compression. Then the options for creating streams have no
// effect. An unsafe stream is refused with an error that says why. The streams have these subjects:
//
//	AIHOOKS              AIHOOKS.in.>
//	AIHOOKS_DEFERRED     AIHOOKS.deferred.>, AIHOOKS.attempts.>, AIHOOKS.record.>
//	AIHOOKS_DEADLETTERS  AIHOOKS.deadletter.>
//
// Streams of an older version lack AIHOOKS.record.>, which has the pauses and the audit. New adds it. If New must not, it
// logs a warning, and deliveries are received and run as before. Then Pause, Retry, Rerun and Discard return an error until
// an operator adds the subject. Processes of the older version accept the subject, but do not follow pauses.
//
// If a stream is deleted, its deliveries are lost. The inbox logs one error, refuses new deliveries with 503, and never
// creates the stream again by itself: call New. A process that only receives checks only AIHOOKS, when it enqueues the
// next delivery. A process with a Run checks all three streams every ten seconds.
//
// An operator who creates a stream again must set first_seq above the last sequence of the deleted stream, as New does.
// An acknowledgement names a message only by its sequence, so a late one would end another delivery.
//
// The payload of a message is the body as received. The header Aihooks-Delivery has the rest as JSON. After a delivery
// was a dead letter or deferred, its attempts follow the body. The header Aihooks-State then says where the body ends.
// Bodies are stored in the server's files in plain text; JetStream can encrypt them.
//
// Each handler has a consumer, named by vendor and endpoint. Its AckWait is the lease, which is renewed while a callback
// runs. Its MaxAckPending is unlimited, because deliveries that wait for their next attempt count as pending. An account
// that sets max_ack_pending cannot be used. The operator must delete consumers of handlers that no longer exist. Each
// consumer has one open pull request. An idle Run sends two requests per second and handler, and at most 200 per second
// in all. With more than 100 handlers, a request waits longer, up to 5 s, and so does the end of a Run. Every two seconds, each
// Run also reads the pauses: one request, and one more for each pause.
//
// To back up an inbox, stop the server and copy its store_dir. All three streams must be from the same time: attempt
// records and dead letters name a delivery by its sequence and time in the stream AIHOOKS.
//
// A dead letter is stored before the delivery is removed, so a crash never loses it. After a crash in between, both
// exist. The next process finds the dead letter, and does not run the callback.
//
// # Permissions
//
// The connection's user needs exactly these, for the default name. If the client sets a domain, an API prefix or an
// inbox prefix, replace $JS.API and _INBOX.
//
//	publish    AIHOOKS.>
//	publish    $JS.ACK.AIHOOKS.>
//	publish    $JS.API.STREAM.INFO.AIHOOKS
//	publish    $JS.API.STREAM.INFO.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.INFO.AIHOOKS_DEADLETTERS
//	publish    $JS.API.STREAM.CREATE.AIHOOKS
//	publish    $JS.API.STREAM.CREATE.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.CREATE.AIHOOKS_DEADLETTERS
//	publish    $JS.API.STREAM.UPDATE.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_DEADLETTERS
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_DEADLETTERS
//	publish    $JS.API.CONSUMER.CREATE.AIHOOKS.>
//	publish    $JS.API.CONSUMER.MSG.NEXT.AIHOOKS.*
//	subscribe  _INBOX.>
//
// STREAM.CREATE is needed only if New creates the streams, and STREAM.UPDATE only if New adds a subject to a stream of an older
// version. A process that only receives deliveries, and calls neither Run nor a method of [inbox.Operator], needs
// STREAM.INFO, AIHOOKS.in.> and _INBOX.>. [Attach] lists what a tool needs. If an operator has set allow_direct on the
// stream AIHOOKS, the client reads its messages through $JS.API.DIRECT.GET.AIHOOKS. The server does not respond to a
// request that it refuses. The error is then a timeout that includes the connection's last permissions violation.
//
// # Operators
//
// A pending or running delivery has the ID HASH-SEQUENCE, and a dead letter or a deferred delivery the ID HASH. The hash comes
// from the delivery's first key, so it stays when the delivery is moved. [Inbox.Entry] accepts an ID of before a move. Filters
// of Retry, Rerun and Discard need the current one.
//
// List, Entry and DeadLetters read messages with their bodies, because the server cannot leave them out. List documents its
// limits. The audit has a message for each change, and one operation in a hundred deletes those above a thousand.
//
// [Attach] opens an inbox for a tool.
//
// # Clocks
//
// The server measures leases and backoffs. A process whose clock is wrong, or is set, delays no delivery. If
// [Options].DeadLetterRetention is set, the server deletes dead letters by its own clock.
//
// # Outages
//
// While the server is down, handlers respond 503 within the time that the store and the inbox have for one call. The
// client reconnects by itself if its options allow that (nats.MaxReconnects(-1)), and Run continues. A connection is
// closed when its reconnects are used up, or by the program. Then Run logs an error and returns one that wraps
// [nats.ErrConnectionClosed], and deliveries are refused with 503. A callback that ends during an outage keeps its slot
// until its result can be recorded. If its lease ends first, another process fetches the delivery, and the store knows
// which deliveries were completed.
package jetstreaminbox
