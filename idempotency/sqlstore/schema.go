package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Schema returns the SQL that creates the table and its index, for your own migrations. The SQL may be run again. An empty
// table means [DefaultTable]. Schema panics if table is not a valid [Options].Table.
func Schema(d *Dialect, table string) string {
	if table == "" {
		table = DefaultTable
	}
	if !tableRule.MatchString(table) {
		panic(fmt.Sprintf("sqlstore: Schema: the table (%q) %s", table, tableRuleText))
	}
	return strings.Join(d.statements.in(table).schema, ";\n\n") + ";\n"
}

// Migrate creates the table and its index if they do not exist. Any number of processes may call it at once, at each start.
//
// It needs the right to create tables in the schema only if something does not exist. Without that right, run [Schema] by
// other means. In PostgreSQL, a table without a schema in its name exists if the search path finds it. Otherwise Migrate
// creates it in the first schema of the path.
func (s *Store) Migrate(ctx context.Context) error {
	if s.db == nil {
		return errors.New("sqlstore: Migrate needs a store from New; the engine of a store from NewOn creates the table, see Schema")
	}
	if err := s.repeat(ctx, func() error { return s.migrate(ctx) }); err != nil {
		return s.dialect.failed("migrate", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	if missing, err := s.missing(ctx, s.db); err != nil || len(missing) == 0 {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if s.sql.lock != "" {
		// CREATE IF NOT EXISTS checks and then creates, so without the lock the second of two concurrent calls can fail.
		if _, err := tx.ExecContext(ctx, s.sql.lock); err != nil {
			return err
		}
	}
	missing, err := s.missing(ctx, tx)
	if err != nil {
		return err
	}
	for _, statement := range missing {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// missing returns the statements of the schema that must be run.
func (s *Store) missing(ctx context.Context, db Conn) ([]string, error) {
	if s.sql.present == "" {
		return s.sql.schema, nil
	}
	var n int
	_, err := s.row(ctx, db, s.sql.present, nil, &n)
	return s.sql.schema[n:], err
}
