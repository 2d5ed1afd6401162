package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
)

// schemaVersion is increased when tables change in a way that older releases cannot use.
const schemaVersion = 1

// The states of a row. Users see done and spent both as inbox.Done. A spent row has no body. A suspect is a pending row
// for which engine.IsSuspect reports true.
const (
	pending = iota
	running
	deferred
	deadLettered
	done
	spent
	suspect
)

var stateNames = [...]inbox.State{inbox.Pending, inbox.Running, inbox.Deferred, inbox.DeadLettered, inbox.Done, inbox.Done, inbox.Pending}

// stateOf returns the state of a row. A damaged file, or one of a later release, can have unknown states.
func stateOf(code int) (inbox.State, error) {
	if code < 0 || code >= len(stateNames) {
		return "", fmt.Errorf("a row has the state %d, which this release does not know", code)
	}
	return stateNames[code], nil
}

// codesOf returns the states of rows that users see as s.
func codesOf(s inbox.State) []int {
	var codes []int
	for code, name := range stateNames {
		if name == s {
			codes = append(codes, code)
		}
	}
	return codes
}

// Bodies have a separate table. SQLite rewrites a row each time its state changes, and would rewrite the body too. Times
// are in milliseconds since 1970, except received_at. Keys are digests, so that a purged row does not reveal the
// delivery.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS aihooks_inbox (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE, -- SHA-256 of the first key, its first half
    handler        TEXT    NOT NULL,        -- vendor/endpoint
    type        TEXT    NOT NULL,
    delivery_id TEXT    NOT NULL,
    received_at INTEGER NOT NULL,        -- nanoseconds, for filters that are exact
    state       INTEGER NOT NULL,           -- 0 pending, 1 running, 2 deferred, 3 dead-lettered, 4 done, 5 done and purged, 6 pending and a suspect
    due_at      INTEGER NOT NULL,           -- pending: not before; running: end of the lease; otherwise: since
    takes       INTEGER NOT NULL DEFAULT 0, -- how often it has been taken: fences
    tried       INTEGER NOT NULL DEFAULT 0, -- how many of these are counted
    rerun       INTEGER NOT NULL DEFAULT 0, -- how often it was made to run again
    owner       BLOB,                       -- of the last taking
    began_at    INTEGER NOT NULL DEFAULT 0, -- when that was
    attempts    TEXT                        -- JSON
) STRICT`,
	`CREATE TABLE IF NOT EXISTS aihooks_inbox_body (
    id   INTEGER PRIMARY KEY, -- of aihooks_inbox
    meta TEXT NOT NULL,       -- the delivery as JSON, without the body
    body BLOB NOT NULL        -- as it was received
) STRICT`,
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_due ON aihooks_inbox (state, handler, due_at)`,
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_kept ON aihooks_inbox (state, due_at, id) WHERE state = 2 OR state = 3`,
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_deferred ON aihooks_inbox (handler, type) WHERE state = 2`,
	`CREATE TABLE IF NOT EXISTS aihooks_inbox_version (version INTEGER NOT NULL) STRICT`,
	`INSERT INTO aihooks_inbox_version SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM aihooks_inbox_version)`,
}

// migrate creates missing tables in one transaction, because several processes may open a new file at once.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	statements := append([]string{}, schema...)
	statements = append(statements, strings.Split(sqlstore.Schema(sqlstore.SQLite, ""), ";\n\n")...)
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := checkVersion(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func checkVersion(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) error {
	var version int
	if err := db.QueryRowContext(ctx, `SELECT version FROM aihooks_inbox_version`).Scan(&version); err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("the tables of the file have version %d, and this release supports up to %d: %w", version, schemaVersion, errors.ErrUnsupported)
	}
	return nil
}
