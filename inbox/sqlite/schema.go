package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
)

// schemaVersion is counted up when tables change in a way that older releases cannot work with.
const schemaVersion = 1

// The states of a row. Done and spent are both inbox.Done to users; they differ in whether there is a body to purge. A
// suspect is a pending row by inbox.IsSuspect.
const (
	pending = iota
	running
	waiting
	dead
	done
	spent
	suspect
)

var stateNames = [...]inbox.State{inbox.Pending, inbox.Running, inbox.Waiting, inbox.Dead, inbox.Done, inbox.Done, inbox.Pending}

// stateOf returns the state of a row. A file that is damaged, or that a later release has written, can have others.
func stateOf(code int) (inbox.State, error) {
	if code < 0 || code >= len(stateNames) {
		return "", fmt.Errorf("a row has the state %d, which this release does not know", code)
	}
	return stateNames[code], nil
}

// codesOf are the states of rows that a state of users stands for.
func codesOf(s inbox.State) []int {
	var codes []int
	for code, name := range stateNames {
		if name == s {
			codes = append(codes, code)
		}
	}
	return codes
}

// Bodies have a table of their own: a row that changes its state several times is written anew each time, and so would they
// be. Times are milliseconds since 1970, but for one. Keys are digests: all that is left of a delivery is what tells it from others.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS aihooks_inbox (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE, -- SHA-256 of the first key, its first half
    hook        TEXT    NOT NULL,        -- vendor/endpoint
    type        TEXT    NOT NULL,
    delivery_id TEXT    NOT NULL,
    received_at INTEGER NOT NULL,        -- nanoseconds, for filters that are exact
    state       INTEGER NOT NULL,           -- 0 pending, 1 running, 2 waiting, 3 dead, 4 done, 5 done and purged, 6 pending and a suspect
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
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_due ON aihooks_inbox (state, hook, due_at)`,
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_kept ON aihooks_inbox (state, due_at, id) WHERE state = 2 OR state = 3`,
	`CREATE INDEX IF NOT EXISTS aihooks_inbox_waiting ON aihooks_inbox (hook, type) WHERE state = 2`,
	`CREATE TABLE IF NOT EXISTS aihooks_inbox_version (version INTEGER NOT NULL) STRICT`,
	`INSERT INTO aihooks_inbox_version SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM aihooks_inbox_version)`,
}

// migrate makes the tables unless they are there, in one transaction: several processes may open a new file at once.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to do once it is committed
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
		return fmt.Errorf("the file has version %d of the tables, and this release knows up to %d: %w", version, schemaVersion, errors.ErrUnsupported)
	}
	return nil
}
