package riverinbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aihooks/aihooks-go/inbox"
)

// recordTable is the table of what operators set: see engine.Records.
const recordTable = "aihooks_inbox_record"

// Schema returns the SQL that creates the inbox's own table, which keeps pauses and the audit. It is for programs with
// their own migrations, which do not call [Inbox.Migrate]. Create the table in the schema of River's tables: schema is that
// of river.Config. If it is empty, the search path applies.
func Schema(schema string) string {
	return fmt.Sprintf(createRecords, qualified(schema, recordTable))
}

// The statements for the table, whose name is filled in. Keys are ASCII, and '~' is not in a prefix. So keys with a prefix
// are a range of the index.
const (
	createRecords = `CREATE TABLE IF NOT EXISTS %s (
    key TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);
`
	putRecord    = `INSERT INTO %s (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2`
	deleteRecord = `DELETE FROM %s WHERE key = $1`
	listRecords  = `SELECT key, value FROM %s WHERE key COLLATE "C" >= $1 AND key COLLATE "C" <= $1 || '~'`
)

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, s inbox.Scope) error { return b.controls.Pause(ctx, s) }

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, s inbox.Scope) error { return b.controls.Resume(ctx, s) }

// Pauses implements [inbox.Operator].
func (b *Inbox) Pauses(ctx context.Context) ([]inbox.Pause, error) { return b.controls.Pauses(ctx) }

// Audit implements [inbox.Operator].
func (b *Inbox) Audit(ctx context.Context) ([]inbox.Change, error) { return b.controls.Audit(ctx) }

// records implements engine.Records.
type records struct{ *Inbox }

func (b records) PutRecord(ctx context.Context, key string, value []byte) error {
	_, err := b.change(ctx, putRecord, key, value)
	return err
}

func (b records) DeleteRecord(ctx context.Context, key string) (bool, error) {
	n, err := b.change(ctx, deleteRecord, key)
	return n > 0, err
}

// change runs a statement, and returns the number of changed records.
func (b records) change(ctx context.Context, statement string, args ...any) (n int64, err error) {
	if b.client.Load() == nil {
		return 0, errNoClient
	}
	err = b.primary.do(func() error {
		tag, err := b.pool.Exec(ctx, fmt.Sprintf(statement, qualified(b.schema, recordTable)), args...)
		n = tag.RowsAffected()
		return err
	})
	return n, b.recordError(err)
}

func (b records) ListRecords(ctx context.Context, prefix string) (map[string][]byte, error) {
	if b.client.Load() == nil {
		return nil, errNoClient
	}
	list, err := b.read(ctx, prefix)
	if b.attached && isMissing(err) {
		err = nil // an older version has no records
	}
	return list, b.recordError(err)
}

func (b records) read(ctx context.Context, prefix string) (map[string][]byte, error) {
	list := make(map[string][]byte)
	rows, err := b.pool.Query(ctx, fmt.Sprintf(listRecords, qualified(b.schema, recordTable)), prefix)
	if err == nil {
		var key string
		var value []byte
		_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
			list[key] = value
			return nil
		})
	}
	return list, err
}

func (b *Inbox) recordError(err error) error {
	switch {
	case err == nil:
		return nil
	case isMissing(err):
		return errNoRecords(b.schema)
	default:
		return fmt.Errorf("riverinbox: %w", err)
	}
}

// errNoRecords returns an error that says how to create the table. The inboxes of older versions of this module lack it.
func errNoRecords(schema string) error {
	return fmt.Errorf("riverinbox: table %s does not exist; %s the SQL of riverinbox.Schema(%q), also when you update from a version without it",
		qualified(schema, recordTable), callMigrate, schema)
}

const callMigrate = "call Migrate first, or run"

// hasRecords reports whether the table exists in the schema of River's tables, which it returns unless River has no tables.
func (b *Inbox) hasRecords(ctx context.Context) (schema string, found bool, err error) {
	err = b.pool.QueryRow(ctx, `SELECT n.nspname, to_regclass(quote_ident(n.nspname) || '.' || $2) IS NOT NULL
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`, b.jobTable(), recordTable).Scan(&schema, &found)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return schema, found, err
}

// migrateRecords creates the table unless it exists. Someone without the right to create tables may call it then.
func (b *Inbox) migrateRecords(ctx context.Context) error {
	schema, found, err := b.hasRecords(ctx)
	if err != nil || found {
		return err
	}
	return b.primary.do(func() error {
		_, err := b.pool.Exec(ctx, Schema(schema))
		return err
	})
}

// isMissing reports whether a statement failed because a table does not exist.
func isMissing(err error) bool {
	const undefinedTable = "42P01"
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == undefinedTable
}
