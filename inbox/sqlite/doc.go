// Package sqliteinbox is the inbox for one machine. It stores deliveries in an SQLite file. It is pure Go and needs no server.
// See package [inbox] for the guarantees of all inboxes.
//
// The module needs Go 1.26 or later, because modernc.org/sqlite does.
//
//	box, err := sqliteinbox.Open("inbox.db", nil)
//	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box})
//	...
//	go box.Run(context.Background(), hook)
//	...
//	errors.Join(server.Shutdown(ctx), hook.Shutdown(ctx), box.Shutdown(ctx), box.Close())
//
// # Durability
//
// A delivery is on the disk, by fsync, before the vendor gets its response. The file is in WAL mode with synchronous=FULL.
// One writer commits all waiting operations together, so that concurrent senders share one fsync. A single sender does not
// wait for others. Past [Options].MaxPending, or with less free disk space than [Options].MinFree, the response is 503: the
// vendor keeps the delivery and sends it again.
//
// The handlers' idempotency store is in the same file, unless their Options set another. With [Inbox.Transact] and
// [Inbox.CompleteTx] a callback can write to your tables in the same file, and mark its delivery as done in the same
// transaction. Then the callback takes effect exactly once, even if the process crashes.
//
// # Several processes
//
// Several processes of one machine may open the file: the old and the new process during a deploy, or a tool, which uses
// [Attach]. A Run takes each delivery under a lease, and renews the lease while the callback runs. If the process crashes,
// another takes the delivery once its lease and the lease of the idempotency store have ended. By the defaults this takes
// 40 s.
//
// Your program must open the file only by this package, or by the driver "sqlite" of modernc.org/sqlite. It must not open
// the file with another SQLite library, such as github.com/mattn/go-sqlite3, and not with os.Open. On Unix, closing a file
// drops all locks that the process has on it. See [Inbox.Transact] and [Inbox.View].
//
// # Where to put the file
//
// SQLite keeps some of the data in PATH-wal, next to PATH. In a container, mount the folder as the volume: Open refuses a
// file that is mounted alone. Open also refuses the network file systems that it recognizes, because their locks are not
// reliable; it cannot recognize all. It warns of a file system that is lost with its container or machine, and of a disk
// with less free space than [Options].MinFree. No folder for temporary files is needed.
//
// Do not move, replace or remove the files while they are open. Enqueue detects this. Then the response is 503 until the
// same files are back or the program is restarted.
//
// # When deliveries cannot be run
//
// A Run logs an error if it cannot take deliveries, or cannot record their results. It logs a line when it can again. After
// 30 s of failure, Enqueue returns an error. Then the response is 503, and the vendor keeps the deliveries. A process
// without a Run continues to store them.
//
// # Backup
//
// [Inbox.Backup] writes a copy while the service runs. The sqlite3 program can also write one, which only its owner can
// read:
//
//	umask 077; sqlite3 inbox.db "VACUUM INTO 'backup.db'"
//
// Do not use its .backup command. It starts again whenever the service writes, and does not end under load. Do not copy the
// file while it is open. A snapshot of the whole disk is safe if it is atomic and has all three files.
//
// # The clock
//
// All times in the file are the system's. The inbox compares them with the clock every few seconds.
//
// If the clock was set back, the inbox sets back the times of stored deliveries and leases too. It does so within about a
// minute and logs a warning. If the clock is far ahead of the last use of the file, the inbox does not purge everything at
// once. Its purge time then advances four times as fast as the process runs, until it has reached the clock. A warning
// reports how far the clock is ahead. Keys of the idempotency store expire by the clock, but the inbox still recognizes
// their deliveries.
//
// # Platforms
//
// Linux, macOS, FreeBSD and Windows are supported. On Windows the files have the permissions of their folder, and Open does
// not recognize a network drive that is mounted in a folder. Other systems report neither the free space nor the type of
// file system. There Open refuses no network file system and logs a warning, and [Options].MinFree has no effect.
//
// # What is in the file
//
// Table aihooks_inbox has a row for each delivery, aihooks_inbox_body has the bodies, and aihooks_idempotency has the keys.
// Any SQLite tool may read them while the service runs. Bodies are stored as they were received. Only the owner can read
// the file, except on Windows.
//
// The bodies of deliveries that are done are deleted after [Options].BodyRetention, or at once if it is negative. The bodies
// of discarded deliveries are deleted at once. Deleted data is overwritten in the file. It is overwritten in the
// write-ahead log when SQLite next restarts the log.
package sqliteinbox
