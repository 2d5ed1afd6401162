// Package sqlstore is an [idempotency.Store] in a table of a PostgreSQL or SQLite database, through database/sql: it
// outlives a restart, is shared by any number of processes, and can mark a delivery as done inside the transaction
// that holds its side effect (see [Store.CompleteTx]). The driver is the caller's choice; none is imported.
//
// # Table
//
// [Store.Migrate] makes the table if there is none, and [Schema] is the same as plain SQL. [Options].Table may name a
// schema; a table without one is found by PostgreSQL's search path. One table serves many services: each has a
// namespace of its own.
//
// # Time
//
// Leases and retention are measured by the database's clock alone, so the clocks of the processes may differ. A lease is
// counted from when the database took the key.
//
// # What a claim costs
//
// A claim that wins is one statement, one that loses two. Completing and releasing are one each. Every one is its own
// transaction and is as durable as the database makes it: with PostgreSQL's synchronous_commit = off or SQLite's
// synchronous = NORMAL, a power failure takes back the last claims and completions, and their work may run again.
//
// With [Options].Batch, claims and completions that come at once share a statement and a commit.
//
// A statement that the database refused for a passing reason, because it could not be serialized, was picked to break a
// deadlock, or found an SQLite file locked, is repeated for about a second, and not after its context has ended.
//
// # Purging
//
// A key whose time is over counts as unknown from that moment on. Its row is deleted later: every 32nd claim that wins
// also deletes up to 64 such rows, oldest first, which is twice as many as claims add and takes about a millisecond; where
// it finds fewer, claims do not look again for a second. Nothing else need be scheduled; [Store.Purge] is for a
// service that has stopped receiving, or for getting rid of a backlog.
//
// # Outages
//
// While the database is down or hangs, claims fail: the receiver answers 503, and whoever sends tries again. A claim whose
// answer was lost may have been made all the same. It is released once the database is back, or else ends with its lease;
// until then the delivery is in flight. Nothing runs twice for it.
//
// # PostgreSQL
//
// Any supported version, any isolation level and any driver. The database's encoding must be UTF8 for keys that are not
// ASCII. The user needs SELECT, INSERT, UPDATE and DELETE on the table, USAGE on its schema, and CREATE on the schema only
// if [Store.Migrate] makes the table.
//
// The table may be partitioned, if its primary key remains (namespace, key): by hash of the key, or by list of
// namespaces. A table that is partitioned by time cannot have that key, and its claims fail.
//
// A pooler in transaction mode, such as PgBouncer, needs a driver that prepares nothing: default_query_exec_mode=exec in the
// DSN for pgx, binary_parameters=yes for lib/pq. Without it statements fail, and lib/pq can even run a statement that
// another client has prepared, of this store or of any other program.
//
// The store must reach the primary. After a failover a pool may keep connections to a server that refuses writes (SQLSTATE
// 25006): the store closes them, and runs the statement on a new connection. A handle that was made by
// stdlib.OpenDBFromPool only gives them back to the pgxpool, which must close them itself. From PostgreSQL 14 on, that is
//
//	config.AfterRelease = func(conn *pgx.Conn) bool {
//		server := conn.PgConn()
//		return server.ParameterStatus("in_hot_standby") != "on" && server.ParameterStatus("default_transaction_read_only") != "on"
//	}
//
// Bound the pool with [sql.DB.SetMaxOpenConns], well below the server's max_connections: after an outage, all
// that could not be released is released at once. Let [sql.DB.SetMaxIdleConns] be the same: its default is 2, and a
// new connection costs more than a claim.
//
// A claim waits for a transaction that has called [Store.CompleteTx] for the same key and not ended yet. Call it last
// before the commit.
//
// # SQLite
//
// Version 3.42 or newer. Open the file in WAL mode with synchronous = FULL, and give it a busy_timeout below
// the time that a call to the store may take. One write transaction at a time is SQLite's rule: a callback that
// keeps its own open for long keeps every claim waiting. A database in memory needs [sql.DB.SetMaxOpenConns] with 1.
package sqlstore
