package riverinbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Attach opens an inbox that a service has created, next to the service or without it. It is for tools that list, show,
// retry, discard, count or pause deliveries. It needs no configuration of the service: schema is that of river.Config, and
// empty if the service sets none. The pool stays the caller's.
//
// Attach creates no tables and changes nothing. On a connection with default_transaction_read_only, all methods that read
// work. Enqueue, Run, Configure and Migrate return an error.
//
// If the service was made with a version without [Schema], Pauses and Audit return none, and List, Entry, DeadLetters and
// Stats work. Methods that change something return an error that names the missing table, because they could not be audited.
//
// The lease of the service is unknown. So an entry that runs has no Due.
func Attach(ctx context.Context, pool *pgxpool.Pool, schema string) (*Inbox, error) {
	b, err := New(pool, nil)
	if err != nil {
		return nil, err
	}
	b.schema, b.attached = schema, true
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: schema, Logger: b.options.Policy.Logger})
	if err == nil {
		err = b.findInbox(ctx, client)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("riverinbox: Attach: %w", err), b.db.Close())
	}
	b.client.Store(client)
	return b, nil
}

// errAttached is returned by the methods of an attached inbox that belong to a service.
var errAttached = errors.New("riverinbox: the inbox was opened by Attach, which is for tools; a service uses New, Configure and Use")

// findInbox returns an error if there is no inbox in the database.
func (b *Inbox) findInbox(ctx context.Context, client *Client) error {
	where := "search path"
	if b.schema != "" {
		where = fmt.Sprintf("schema %q", b.schema)
	}
	schema, hasRecords, err := b.hasRecords(ctx)
	switch {
	case err != nil:
		return err
	case schema == "":
		return fmt.Errorf("there is no inbox: the %s of database %q has no table river_job; pass the database, and the schema, of the service",
			where, b.pool.Config().ConnConfig.Database)
	}
	if err := checkColumns(ctx, client); err != nil {
		return fmt.Errorf("the tables of River are of another version than this program, or cannot be read: %w", err)
	}
	if hasRecords {
		return nil
	}
	var hasJobs bool
	err = b.pool.QueryRow(ctx, fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM %s WHERE kind = $1)`, b.jobTable()), Kind).Scan(&hasJobs)
	if err == nil && !hasJobs {
		err = fmt.Errorf("there is no inbox: the %s of database %q has River's tables, but neither a table %s nor a job of kind %s",
			where, b.pool.Config().ConnConfig.Database, recordTable, Kind)
	}
	return err
}
