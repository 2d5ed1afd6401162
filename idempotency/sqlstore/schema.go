package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Schema returns the SQL that makes the table and its index, for those who run their own migrations. An empty table
// stands for [DefaultTable]. It may be run again. It panics if table is not a name as [Options] wants it.
func Schema(d *Dialect, table string) string {
	if table == "" {
		table = DefaultTable
	}
	if !tableRule.MatchString(table) {
		panic(fmt.Sprintf("sqlstore: the table's name %s, and is %q", tableRuleText, table))
	}
	return strings.Join(d.statements.in(table).schema, ";\n\n") + ";\n"
}

// Migrate makes the table and its index unless they exist. Any number of processes may call it at once, each time
// they start. It needs the right to create tables in the schema only for what does not exist; without that right, run
// [Schema] by other means. In PostgreSQL a table without a schema in its name exists if it is found by the search path;
// otherwise it is made in the path's first schema.
func (s *Store) Migrate(ctx context.Context) error {
	if s.db == nil {
		return errors.New("sqlstore: the store of an engine is made by the engine; see Schema")
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
	defer func() { _ = tx.Rollback() }() // nothing to do once it is committed
	if s.sql.lock != "" {
		// IF NOT EXISTS looks first and creates then: of two at once, the second fails.
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
