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

// Migrate makes the table and its index unless they are there. Any number of processes may call it at once, each time
// they start. It needs the right to create tables; without it, run [Schema] by other means.
func (s *Store) Migrate(ctx context.Context) error {
	if s.db == nil {
		return errors.New("sqlstore: the store of an engine is made by the engine; see Schema")
	}
	if err := s.retry(ctx, func(Conn) error { return s.migrate(ctx) }); err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
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
	for _, statement := range s.sql.schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}
