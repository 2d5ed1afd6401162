// Package jetstreaminbox is the inbox on NATS JetStream, for users who have a cluster of it. What inboxes promise stands in
// package [inbox]; this one is a thin adapter over the user's own client.
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
// It needs nats-server 2.10 or later, was tested on 2.15, and any number of processes may share it.
//
// # What JetStream does not do
//
// It has no idempotency store: [Options].Store is one that all processes share, in Redis or a database. JetStream itself
// recognises a delivery that comes again for as long as [Options].Window, two hours by default, counted from the first time,
// and, once it is done, only until the server restarts that leads the stream. After that the delivery is stored again, and the
// store keeps it from being run again. A discarded dead letter, which no callback has completed, may then be run.
//
// It does not report [webhook.ErrOtherContent]: JetStream compares ids only.
//
// It acknowledges a message before it is on the disk, and writes it there within two minutes, unless the server is configured
// with
//
//	jetstream { sync_interval: always }
//
// which no client can find out. A stream must therefore have three replicas, so that what is acknowledged is in the memory of two
// machines at least, or [Options].ServerSyncsAlways must say that the server is configured so. Three replicas without
// sync_interval: always survive the loss of one machine; they do not survive a loss of power to all of them at once. With both,
// they survive that too. Streams in memory, without acknowledgements, with persist_mode async, or that throw away what
// is old are refused, by [New] and again when a handler is built.
//
// It takes messages of at most max_payload, 1 MiB where nobody has configured another. A handler needs its Options.MaxBody and 512 KiB
// for headers and attempts: with the default of 1 MiB, max_payload: 2MB will do. Less is refused when the handler is built.
//
// It counts how often it has given a message away, and knows no attempts that do not count. What has become of a delivery
// that is to be run again stands in a note of its own; one whose first attempt succeeds has none, and costs a publish and an
// acknowledgement. What JetStream has given away and nobody has accounted for was lost with its process and counts as an attempt;
// so does, since nobody can tell, what was on its way to a process when a connection broke. A server that was killed may have
// forgotten the last tenth of a second: then such an attempt is not counted.
//
// # Streams
//
// New creates three, where they are not there: AIHOOKS, a work queue, has what is to be run; AIHOOKS_ASIDE has what waits for a
// callback, and the notes; AIHOOKS_DEAD has the dead letters. An operator may create them beforehand, with a placement, with
// limits, or with compression; options that say how streams are created are then without effect. What is not sound is refused
// with an error that says why.
//
// A stream that is deleted takes its deliveries along. The inbox reports it once as an error, refuses new deliveries with 503, and
// never creates it again by itself: call New. A process that only receives learns only of the stream AIHOOKS, by the first
// delivery; one with a Run examines all three every ten seconds.
//
// An operator who creates a stream again sets its first_seq past the last sequence of the deleted one, as New does: an
// acknowledgement names a message by its sequence, and a late one would end another delivery.
//
// The payload of a message is the body as it was received; the header Aihooks-Delivery has the rest as JSON. Once a
// delivery has been a dead letter, or has waited for a callback, its attempts follow the body, and the header Aihooks-State says
// where. Bodies lie in the server's files as they were received, for as long as they wait; JetStream can encrypt them.
//
// Each handler has a consumer, named by vendor and endpoint. Its acknowledgement wait is the lease, which is renewed while a
// callback runs. Its limit of unacknowledged messages is off, since deliveries that rest before their next attempt count among
// them: an account with a limit of its own (max_ack_pending) cannot be used. Consumers of handlers that there are no more
// are for the operator to delete. Each consumer has one request open: a Run without work sends two a second for each handler,
// and at most 200 a second in all. Past 100 handlers, a request waits longer, up to 5 s, and the end of a Run with it.
//
// To back up an inbox, stop the server and copy its store_dir. All three streams must be of one time: attempts and dead letters name a
// delivery by its sequence and its time in the stream AIHOOKS.
//
// A dead letter is stored before the delivery ends; what moves is never at neither place. Whoever dies in between leaves it
// at both: the next process finds the dead letter, and does not call back.
//
// # Permissions
//
// These are all that the connection's user needs, for the default name. With the client's own domain, API prefix or inbox prefix,
// that takes the place of $JS.API and _INBOX.
//
//	publish    AIHOOKS.>
//	publish    $JS.ACK.AIHOOKS.>
//	publish    $JS.API.STREAM.INFO.AIHOOKS
//	publish    $JS.API.STREAM.INFO.AIHOOKS_ASIDE
//	publish    $JS.API.STREAM.INFO.AIHOOKS_DEAD
//	publish    $JS.API.STREAM.CREATE.AIHOOKS
//	publish    $JS.API.STREAM.CREATE.AIHOOKS_ASIDE
//	publish    $JS.API.STREAM.CREATE.AIHOOKS_DEAD
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_ASIDE
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_DEAD
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_ASIDE
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_DEAD
//	publish    $JS.API.CONSUMER.CREATE.AIHOOKS.>
//	publish    $JS.API.CONSUMER.MSG.NEXT.AIHOOKS.*
//	subscribe  _INBOX.>
//
// STREAM.CREATE is needed only where New creates the streams. A process that only receives deliveries, and calls neither Run nor
// DeadLetters, needs STREAM.INFO, AIHOOKS.in.> and _INBOX.>. If an operator has set allow_direct on the stream AIHOOKS, its messages are
// read by $JS.API.DIRECT.GET.AIHOOKS. The server does not answer a request that it refuses: the error is a timeout, and names the
// last refusal on the connection.
//
// # Clocks
//
// The server counts leases and rests, so the clock of a process may be wrong, or set, without a delivery waiting for it. The
// server deletes dead letters by its own clock if [Options].DeadLetterRetention is set.
//
// # When the server is away
//
// Deliveries are answered 503 within the time that the store and the inbox have for one call. The client reconnects by itself if its
// options allow it (nats.MaxReconnects(-1)), and Run goes on. When the connection is closed, because reconnects are used up or by
// the program, Run logs an error and returns one that wraps [nats.ErrConnectionClosed], and deliveries are refused with 503. Callbacks that end meanwhile keep their places until what came
// of them can be put down; if their leases end before, another process has their deliveries, and the store knows which were done.
package jetstreaminbox
