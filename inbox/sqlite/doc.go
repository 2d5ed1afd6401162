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
// The program itself must open the file only by this package, or by the driver "sqlite" of modernc.org/sqlite. On Unix,
// closing a file drops all locks that the process has on it: no second SQLite library must open it, such as
// github.com/mattn/go-sqlite3, and os.Open must not either. See [Inbox.Transact] and [Inbox.View].
//
// # Where to put the file
//
// SQLite keeps a part of the data in PATH-wal, next to PATH. Give a container the folder as its volume: Open refuses a file
// that is mounted alone. It refuses the network file systems that it recognizes, where locks cannot be relied on, and cannot
// recognize all. It warns of a file system that does not outlive its container or machine, and of a disk with less free space
// than [Options].MinFree. No folder for temporary files is needed.
//
// Do not move, replace or remove the files while they are open. Enqueue notices, and deliveries are answered 503 until the
// same files are back or the program is restarted.
//
// # When deliveries cannot be run
//
// A Run that cannot take deliveries, or cannot record their results, logs an error, and a line once it can again. After 30 s
// of it Enqueue returns an error, so that deliveries are answered 503 and the vendor keeps them. A process without a Run goes
// on storing them.
//
// # Backup
//
// [Inbox.Backup] writes a copy while the service runs. So does the sqlite3 program, for a file that only its owner can read:
//
//	umask 077; sqlite3 inbox.db "VACUUM INTO 'backup.db'"
//
// Do not use its .backup command: it starts again whenever the service writes, and does not end under load. Do not copy the
// file while it is open. A snapshot of the whole disk that is taken at one time is good, with all three files.
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
