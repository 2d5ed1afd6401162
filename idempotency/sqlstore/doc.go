// Package sqlstore is an [idempotency.Store] in a table of a PostgreSQL or SQLite database, through database/sql.
//
// Its keys survive a restart, and any number of processes can share it. It can complete a delivery inside the transaction
// that writes its side effect; see [Store.CompleteTx]. The package imports no driver. You choose one.
//
// # Table
//
// [Store.Migrate] creates the table if it does not exist. [Schema] returns the same as plain SQL. [Options].Table may
// include a schema. Without one, PostgreSQL finds the table by its search path. Several services can share one table, each
// with its own namespace.
//
// # Time
//
// Only the database's clock measures leases and retention, so the clocks of the processes may differ. A lease counts from
// the time when the database accepted the claim.
//
// # Cost
//
// A claim that acquires its key is one statement. A claim that does not is two. A completion, a release and a renewal
// of a lease are one each. Each statement is its own transaction, and as durable as the database makes it. With PostgreSQL's synchronous_commit =
// off or SQLite's synchronous = NORMAL, a power failure loses the last claims and completions. Their work may run again.
//
// With [Options].Batch, concurrent claims and completions share a statement and a commit.
//
// The store repeats a statement that the database refused for a temporary reason: a serialization failure, a deadlock, or
// a locked SQLite file. It does so for about a second, and not after the context has ended.
//
// # Purging
//
// An expired key counts as unknown at once. Its row is deleted later. Every 32nd claim that acquires a key also deletes up
// to 64 expired rows, the oldest first. That is twice as many as claims add, and takes about a millisecond. If it finds
// fewer rows, claims purge again after a second at the earliest. You need no other schedule. [Store.Purge] is for a
// service that no longer receives deliveries, and for a large backlog.
//
// # Renewals
//
// A renewal needs a connection. If callbacks hold transactions on the store's [sql.DB], allow it more connections than
// callbacks. Otherwise renewals wait, and a lease that is not renewed in time is lost. See [idempotency.Lease.Context].
//
// # Outages
//
// While the database is down or hangs, claims fail. The receiver responds 503, and the sender tries again. If the response
// to a claim is lost, the database may still have made the claim. It is released when the database is available again, or
// ends with its lease. Until then the delivery is in flight, and it does not run twice.
//
// # PostgreSQL
//
// Any supported version, isolation level and driver works. Keys that are not ASCII need a database with the encoding UTF8.
// The user needs SELECT, INSERT, UPDATE and DELETE on the table, and USAGE on its schema. It needs CREATE on the schema
// only if [Store.Migrate] creates the table.
//
// The table may be partitioned if its primary key remains (namespace, key): by hash of the key, or by list of namespaces.
// A table that is partitioned by time cannot have that key, and claims in it fail.
//
// With a pooler in transaction mode, such as PgBouncer, the driver must not use prepared statements. Set
// default_query_exec_mode=exec in the DSN for pgx, or binary_parameters=yes for lib/pq. Otherwise statements fail. lib/pq
// can even run a statement that another client of the pooler has prepared.
//
// The store must reach the primary. After a failover, a pool may keep connections to a server that refuses writes
// (SQLSTATE 25006). The store closes them and runs the statement on a new connection. With a handle from
// stdlib.OpenDBFromPool, it can only return them to the pgxpool, which must close them itself. From PostgreSQL 14 on, that
// is
//
//	config.AfterRelease = func(conn *pgx.Conn) bool {
//		server := conn.PgConn()
//		return server.ParameterStatus("in_hot_standby") != "on" && server.ParameterStatus("default_transaction_read_only") != "on"
//	}
//
// Limit the pool with [sql.DB.SetMaxOpenConns], well below the server's max_connections, because after an outage all
// pending releases run at once. Set [sql.DB.SetMaxIdleConns] to the same number. Its default is 2, and opening a
// connection costs more than a claim.
//
// A claim or renewal waits for an open transaction that has called [Store.CompleteTx] for the same key. So call CompleteTx
// last before the commit.
//
// # SQLite
//
// Version 3.42 or later is required. Open the file in WAL mode with synchronous = FULL. Set a busy_timeout that is shorter
// than the time that a call to the store may take. SQLite allows one write transaction at a time, so a callback with a
// long write transaction delays every claim and renewal. If it is longer than half a lease, leases can be lost. A database
// in memory needs [sql.DB.SetMaxOpenConns] with 1.
package sqlstore
