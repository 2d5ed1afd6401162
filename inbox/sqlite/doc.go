// Package sqlite is the inbox for one machine: an SQLite file, in pure Go, with no server to operate. What inboxes
// promise stands in package [inbox].
//
// The module needs Go 1.26 or later, because modernc.org/sqlite does.
//
//	box, err := sqlite.Open("inbox.db", nil)
//	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box})
//	...
//	go box.Run(context.Background(), hook)
//	...
//	errors.Join(server.Shutdown(ctx), hook.Shutdown(ctx), box.Shutdown(ctx), box.Close())
//
// # Durability
//
// A delivery is on the disk, by fsync, before it is answered: the file is in WAL mode with synchronous=FULL. One writer
// puts all that waits into one commit, so that many senders share one wait for the disk, and a lone one waits for
// nobody. Past [Options].MaxPending, and when the disk has less than MinFree left, deliveries are answered 503: the
// vendor keeps them.
//
// The handlers' idempotency store is in the same file, unless their Options name another. [Inbox.Transact] and
// [Inbox.CompleteTx] let a callback write to tables of its own there, in one transaction with the mark that its delivery is
// done: it then takes effect exactly once, wherever the process dies.
//
// # Several processes
//
// The file may be open in several processes of one machine: the old and the new one during a deploy, or a tool, which opens
// it by [Attach]. A Run takes a delivery under a lease, which it renews; what a process had taken that died is taken by
// another once the lease has ended, and the idempotency store's lease with it: after 40 s, by the defaults.
//
// Do not put the file on a network file system: locks cannot be relied on there. Open refuses those that it recognises, and
// cannot recognise all. Do not copy it while it is open: use SQLite's VACUUM INTO, or its backup command. Nor may the program
// itself open it but as a database: on Unix, closing a file gives up all locks that the process has on it.
//
// # The clock
//
// All times in the file are the system's. The inbox compares them with the clock every few seconds. If the clock was set
// back, it sets the times of stored deliveries and leases back as well, within about a minute, and logs a warning. If the
// clock is far ahead of the time when the file was used last, nothing is purged at once: purging then catches up four times
// as fast as the process runs, and a warning says by how much the clock is ahead. Keys of the idempotency store expire by
// the clock; the inbox still recognizes their deliveries.
//
// # Platforms
//
// Linux, macOS, FreeBSD and Windows are supported. On Windows the files have the permissions of their folder, and Open does
// not recognize a network drive that is mounted in a folder. Other systems report neither the free space nor the kind of file
// system: there Open refuses no network file system, logs a warning, and [Options].MinFree has no effect.
//
// # What is in the file
//
// Table aihooks_inbox has a row for each delivery, aihooks_inbox_body its bytes, aihooks_idempotency the keys. They may be
// read with any SQLite tool while the service runs. Bodies are in there as they were received: except on Windows, the
// file is made readable for its owner alone. Bodies of deliveries that are done are deleted after [Options].BodyRetention, or at once; of those that
// are discarded, at once. What is deleted is overwritten in the file, and in the write-ahead log once that begins anew.
package sqlite
