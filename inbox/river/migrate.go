package riverinbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// Migrate creates or updates River's tables, the table of the inbox, and the table of the idempotency store. Any number of
// replicas may call it at once, on every start: one migrates under a PostgreSQL advisory lock, and the others wait for it
// until ctx ends.
// Call it before [Inbox.Use]. If river.Config names a Schema, call it after [Inbox.Configure]; the schema must exist.
//
// Migrate opens one connection outside the pool, for the lock. It needs the right to create tables, unless all tables
// are up to date. A program with its own migrations does not call it. Such a program creates River's tables with package
// rivermigrate or River's command, which take no lock. It creates the inbox's table with the SQL of [Schema], and the
// store's table with that of sqlstore.Schema.
func (b *Inbox) Migrate(ctx context.Context) (err error) {
	if b.attached {
		return errAttached
	}
	unlock, err := b.lockMigration(ctx)
	if err != nil {
		return fmt.Errorf("riverinbox: migrate: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	migrator, err := rivermigrate.New(riverpgxv5.New(b.pool), &rivermigrate.Config{
		Logger: b.options.Policy.Logger, Schema: b.schema,
	})
	if err != nil {
		return fmt.Errorf("riverinbox: migrate: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("riverinbox: migrate: %w", err)
	}
	store, err := sqlstore.New(b.db, b.options.store())
	if err != nil {
		return fmt.Errorf("riverinbox: migrate: %w", err)
	}
	if err := b.migrateRecords(ctx); err != nil {
		return fmt.Errorf("riverinbox: migrate: table %s: %w", recordTable, err)
	}
	return store.Migrate(ctx)
}

// checkTables returns an error that names a missing table, or the column that River's tables lack.
func (b *Inbox) checkTables(ctx context.Context, client *Client) error {
	command := callMigrate + " River's command river migrate-up"
	if b.schema != "" {
		command += " --schema " + b.schema
	}
	tables := []struct{ name, how string }{{b.options.Table, callMigrate + " the SQL of sqlstore.Schema"}}
	for _, name := range []string{"river_job", "river_queue", "river_leader"} {
		tables = append(tables, struct{ name, how string }{qualified(b.schema, name), command})
	}
	for _, table := range tables {
		var found bool
		if err := b.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table.name).Scan(&found); err != nil {
			return fmt.Errorf("riverinbox: Use: %w", err)
		}
		if !found {
			return fmt.Errorf("riverinbox: table %s does not exist; %s", table.name, table.how)
		}
	}
	if err := checkColumns(ctx, client); err != nil {
		return fmt.Errorf("riverinbox: River's tables are of another version, or cannot be read; %s: %w", command, err)
	}
	schema, found, err := b.hasRecords(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("riverinbox: Use: %w", err)
	case !found:
		return errNoRecords(schema)
	}
	if _, err := (records{b}).read(ctx, "none/"); err != nil {
		return fmt.Errorf("riverinbox: table %s cannot be read, so no callback would run; grant SELECT, INSERT, UPDATE and DELETE on it to the service's user: %w",
			qualified(b.schema, recordTable), err)
	}
	return nil
}

// checkColumns returns an error if River's tables lack a column. River's statement names all columns, and reads no row.
func checkColumns(ctx context.Context, client *Client) error {
	_, err := client.JobList(ctx, river.NewJobListParams().Where("false").First(1))
	return err
}

// migrationLock must not be used by another program. It differs from sqlstore's lock, which is taken while this one is
// held.
const migrationLock = 7165084902356124776

// lockMigration takes the lock on a separate connection: River migrates in several transactions, and a pool may have
// only one connection. The lock belongs to a transaction, which a pooler in transaction mode supports too.
func (b *Inbox) lockMigration(ctx context.Context) (unlock func() error, err error) {
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	unlock = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return conn.Close(ctx) // ends the transaction, which releases the lock
	}
	for _, statement := range []string{
		`BEGIN`,
		`SET LOCAL statement_timeout = 0`, // ctx says how long to wait
		`SET LOCAL lock_timeout = 0`,
		`SET LOCAL idle_in_transaction_session_timeout = 0`,
		fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, int64(migrationLock)),
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return nil, errors.Join(err, unlock())
		}
	}
	return unlock, nil
}
