package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Dialect holds the SQL and the error codes of one database: [PostgreSQL] or [SQLite].
type Dialect struct {
	name       string
	statements statements

	// unit is the unit of durations in statements.
	unit time.Duration

	// passing reports whether a statement that failed with err may succeed if it is repeated.
	passing func(err error) bool

	// readOnly reports whether err means that the server refuses writes, and so has done nothing. It is nil if another
	// connection cannot reach another server.
	readOnly func(err error) bool

	// hint returns an explanation of an error whose cause is not in the store, or "".
	hint func(err error) string

	// refused reports whether err means that the database has not done the statement. It is nil without batches.
	refused func(err error) bool
}

// String returns the dialect's name.
func (d *Dialect) String() string { return d.name }

// failed wraps err as the error of a method.
func (d *Dialect) failed(method string, err error) error {
	if d.hint != nil {
		if hint := d.hint(err); hint != "" {
			return fmt.Errorf("sqlstore: %s: %w (%s)", method, err, hint)
		}
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// units returns t in units, rounded up, because no lease or retention may end early.
func (d *Dialect) units(t time.Duration) int64 {
	n := int64(t / d.unit)
	if t%d.unit > 0 {
		n++
	}
	return n
}

// statements are a dialect's SQL. {table} is the table as the user names it. {name} is the same without a schema.
// {schema} is the schema and a dot. {now} is the current time.
type statements struct {
	// lock, if not empty, excludes other migrations until the transaction ends.
	lock string

	// schema has the statements that create the table and its index, in order.
	schema []string

	// present returns how many of the first statements of schema are already done. If empty, all of them are run.
	present string

	// claim claims key $2 of namespace $1 for token $3 if it is free. $4 is the lease, and $5 the time until the key
	// expires. It returns the attempt, or no row.
	claim string

	// lookUp returns the state, the remaining lease and the token of key $2 of namespace $1, or no row if it is free.
	lookUp string

	// complete and release mark key $2 of namespace $1 if token $3 holds it. The key expires after $4.
	complete, release string

	// renew makes the lease of key $2 of namespace $1 end after $4, and the key expire after $5, if token $3 holds it. A
	// completed key keeps its expiry.
	renew string

	// claimNew claims those of the keys $2 of namespace $1 that have no row. $3 are the tokens, $4 the leases, and $5 the
	// time from the end of the lease until the key expires. completeHeld completes those of the keys $2 that the tokens $3
	// hold and that are not locked. Both return the keys that they changed. Both are empty without batches.
	claimNew, completeHeld string

	// purge deletes up to $1 expired rows.
	purge string

	now string
}

// in returns the statements for a table.
func (s statements) in(table string) statements {
	schema, name := "", table
	if i := strings.IndexByte(table, '.'); i >= 0 {
		schema, name = table[:i+1], table[i+1:]
	}
	fill := strings.NewReplacer("{table}", table, "{schema}", schema, "{name}", name, "{now}", s.now).Replace
	made := statements{
		lock:         s.lock,
		present:      fill(s.present),
		claim:        fill(s.claim),
		lookUp:       fill(s.lookUp),
		complete:     fill(s.complete),
		release:      fill(s.release),
		renew:        fill(s.renew),
		claimNew:     fill(s.claimNew),
		completeHeld: fill(s.completeHeld),
		purge:        fill(s.purge),
	}
	for _, statement := range s.schema {
		made.schema = append(made.schema, fill(statement))
	}
	return made
}

// PostgreSQL is the dialect of PostgreSQL and of compatible databases.
var PostgreSQL = &postgreSQL

// All conditions use clock_timestamp(). now() does not advance during a transaction, or while a statement waits for a row.
var postgreSQL = Dialect{
	name: "PostgreSQL",
	unit: time.Microsecond,
	statements: statements{
		now:  `clock_timestamp()`,
		lock: `SELECT pg_advisory_xact_lock(7165084902356124775)`, // any number that no one else uses
		schema: []string{
			`CREATE TABLE IF NOT EXISTS {table} (
    namespace   text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    state       smallint         NOT NULL, -- 0 released, 1 in flight, 2 completed
    token       bytea            NOT NULL, -- of the last claim
    attempt     integer          NOT NULL, -- how often it has been claimed
    lease_until timestamptz      NOT NULL, -- in flight: when the next claim may have it
    expires_at  timestamptz      NOT NULL, -- when it counts as unknown
    PRIMARY KEY (namespace, key)
)`,
			`CREATE INDEX IF NOT EXISTS {name}_expires_at ON {table} (expires_at)`,
		},
		// CREATE IF NOT EXISTS needs the right to create even if the table exists, and checks only the first schema of the
		// search path. The query accepts an index of any name, because an administrator may have created it.
		present: `SELECT CASE WHEN to_regclass('{table}') IS NULL THEN 0 WHEN EXISTS (
    SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass('{table}') AND i.indpred IS NULL AND a.attname = 'expires_at'
) THEN 2 ELSE 1 END`,
		claim: `INSERT INTO {table} AS t (namespace, key, state, token, attempt, lease_until, expires_at)
VALUES ($1, $2, 1, $3, 1, {now} + $4::bigint * interval '1 microsecond', {now} + $5::bigint * interval '1 microsecond')
ON CONFLICT (namespace, key) DO UPDATE SET
    state = 1,
    token = excluded.token,
    attempt = CASE WHEN t.expires_at < {now} THEN 1 ELSE t.attempt + 1 END,
    lease_until = {now} + $4::bigint * interval '1 microsecond',
    expires_at = {now} + $5::bigint * interval '1 microsecond'
WHERE t.state = 0 OR t.state = 1 AND t.lease_until < {now} OR t.expires_at < {now}
RETURNING attempt`,
		lookUp: `SELECT state, (extract(epoch FROM lease_until - {now}) * 1000000)::bigint, token FROM {table}
WHERE namespace = $1 AND key = $2 AND (state = 2 OR state = 1 AND lease_until >= {now}) AND expires_at >= {now}`,
		complete: `UPDATE {table} SET state = 2, expires_at = {now} + $4::bigint * interval '1 microsecond'
WHERE namespace = $1 AND key = $2 AND token = $3 AND state IN (1, 2) AND expires_at >= {now}`,
		release: `UPDATE {table} SET state = 0, expires_at = {now} + $4::bigint * interval '1 microsecond'
WHERE namespace = $1 AND key = $2 AND token = $3 AND state = 1 AND expires_at >= {now}`,
		renew: `UPDATE {table} SET
    lease_until = greatest(lease_until, {now} + $4::bigint * interval '1 microsecond'),
    expires_at = CASE state WHEN 1 THEN greatest(expires_at, {now} + $5::bigint * interval '1 microsecond') ELSE expires_at END
WHERE namespace = $1 AND key = $2 AND token = $3 AND state IN (1, 2) AND expires_at >= {now}`,
		// Existing rows are not touched, because another transaction may have locked them. The subquery for each key keeps
		// the planner from joining with the whole table. All batches insert keys in the same order, so that they do not
		// deadlock.
		claimNew: `INSERT INTO {table} (namespace, key, state, token, attempt, lease_until, expires_at)
SELECT $1::text, w.key, 1, w.token, 1, {now} + w.lease * interval '1 microsecond', {now} + (w.lease + $5::bigint) * interval '1 microsecond'
FROM unnest($2::text[], $3::bytea[], $4::bigint[]) AS w (key, token, lease)
WHERE (SELECT t.state FROM {table} AS t WHERE t.namespace = $1::text AND t.key = w.key) IS NULL
ORDER BY w.key COLLATE "C"
ON CONFLICT (namespace, key) DO NOTHING
RETURNING key`,
		// Rows are identified by their primary key, because a ctid is unique in one partition only. With an array, unlike
		// with a join, the planner always looks up each key in the index.
		completeHeld: `UPDATE {table} SET state = 2, expires_at = {now} + $4::bigint * interval '1 microsecond'
WHERE namespace = $1 AND key = ANY (ARRAY(SELECT held.key FROM unnest($2::text[], $3::bytea[]) AS w (key, token), LATERAL (SELECT t.key FROM {table} AS t
WHERE t.namespace = $1 AND t.key = w.key AND t.token = w.token AND t.state IN (1, 2) AND t.expires_at >= {now} FOR UPDATE SKIP LOCKED) AS held))
RETURNING key`,
		// statement_timestamp() does not advance, so the index can be used to find the rows. Rows that another session has
		// locked are skipped.
		purge: `DELETE FROM {table} AS t USING unnest(ARRAY(SELECT expired FROM {table} AS expired
WHERE expires_at < statement_timestamp() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)) AS expired
WHERE t.namespace = expired.namespace AND t.key = expired.key`,
	},
	passing: func(err error) bool {
		const serializationFailure, deadlockDetected = "40001", "40P01"
		state := sqlState(err)
		return state == serializationFailure || state == deadlockDetected
	},
	readOnly: func(err error) bool { return sqlState(err) == "25006" }, // a standby returns it too
	hint: func(err error) string {
		const noSuchStatement, statementExists, protocolViolation = "26000", "42P05", "08P01"
		switch state := sqlState(err); {
		case state == noSuchStatement, state == statementExists,
			state == protocolViolation && strings.Contains(err.Error(), "bind message"):
			return "a pooler in transaction mode ran this on a connection without the prepared statement; " +
				"in the DSN set binary_parameters=yes for lib/pq, or default_query_exec_mode=exec for pgx"
		default:
			return ""
		}
	},
	refused: func(err error) bool {
		switch state := sqlState(err); {
		case state == "57014": // canceled before the commit, for example by a statement_timeout
			return true
		case state == "", state == "40003", // the server does not know whether the statement was completed
			strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57"): // the connection or the server ended, perhaps after the commit
			return false
		default:
			return true
		}
	},
}

// sqlState returns the SQLSTATE of an error of pgx or lib/pq, or "".
func sqlState(err error) string {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return ""
	}
	return state.SQLState()
}

// SQLite is the dialect of SQLite from version 3.42 on. Times are milliseconds since 1970.
var SQLite = &sqlite

var sqlite = Dialect{
	name: "SQLite",
	unit: time.Millisecond,
	statements: statements{
		now: `CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
		schema: []string{
			`CREATE TABLE IF NOT EXISTS {table} (
    namespace   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    state       INTEGER NOT NULL, -- 0 released, 1 in flight, 2 completed
    token       BLOB    NOT NULL, -- of the last claim
    attempt     INTEGER NOT NULL, -- how often it has been claimed
    lease_until INTEGER NOT NULL, -- in flight: when the next claim may have it
    expires_at  INTEGER NOT NULL, -- when it counts as unknown
    PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID`,
			`CREATE INDEX IF NOT EXISTS {schema}{name}_expires_at ON {name} (expires_at)`,
		},
		claim: `INSERT INTO {table} AS t (namespace, key, state, token, attempt, lease_until, expires_at)
VALUES (?1, ?2, 1, ?3, 1, {now} + ?4, {now} + ?5)
ON CONFLICT (namespace, key) DO UPDATE SET
    state = 1,
    token = excluded.token,
    attempt = CASE WHEN t.expires_at < {now} THEN 1 ELSE t.attempt + 1 END,
    lease_until = excluded.lease_until,
    expires_at = excluded.expires_at
WHERE t.state = 0 OR t.state = 1 AND t.lease_until < {now} OR t.expires_at < {now}
RETURNING attempt`,
		lookUp: `SELECT state, lease_until - {now}, token FROM {table}
WHERE namespace = ?1 AND key = ?2 AND (state = 2 OR state = 1 AND lease_until >= {now}) AND expires_at >= {now}`,
		complete: `UPDATE {table} SET state = 2, expires_at = {now} + ?4
WHERE namespace = ?1 AND key = ?2 AND token = ?3 AND state IN (1, 2) AND expires_at >= {now}`,
		release: `UPDATE {table} SET state = 0, expires_at = {now} + ?4
WHERE namespace = ?1 AND key = ?2 AND token = ?3 AND state = 1 AND expires_at >= {now}`,
		renew: `UPDATE {table} SET
    lease_until = max(lease_until, {now} + ?4),
    expires_at = CASE state WHEN 1 THEN max(expires_at, {now} + ?5) ELSE expires_at END
WHERE namespace = ?1 AND key = ?2 AND token = ?3 AND state IN (1, 2) AND expires_at >= {now}`,
		purge: `DELETE FROM {table} WHERE (namespace, key) IN (SELECT namespace, key FROM {table}
WHERE expires_at < {now} ORDER BY expires_at LIMIT ?1)`,
	},
	// Every driver returns SQLite's text, but each returns its error code differently.
	passing: func(err error) bool {
		return strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "database table is locked")
	},
}
