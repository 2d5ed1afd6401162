package sqliteinbox

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// A conn is a connection that prepares each statement once. It ignores the contexts of its callers: SQLite rolls back the
// whole transaction when a statement is interrupted, which would undo the writes of all other callers in it.
type conn struct {
	c          *sql.Conn
	statements map[string]*sql.Stmt
}

func (c *conn) prepare(query string) (*sql.Stmt, error) {
	if s := c.statements[query]; s != nil {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = s
	return s, nil
}

// ExecContext implements [sqlstore.Conn].
func (c *conn) ExecContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

// QueryContext implements [sqlstore.Conn].
func (c *conn) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.Background(), args...)
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(query string, args ...any) (int, error) {
	result, err := c.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// each calls f for every row of the query, and closes the rows before it returns. Open rows would prevent the write-ahead
// log from being emptied.
func (c *conn) each(query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := c.QueryContext(context.Background(), query, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, f)
}

func eachRow(rows *sql.Rows, f func(scan func(...any) error) error) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// close closes the connection itself. It must not return to the pool, because its settings have been changed.
func (c *conn) close() {
	for _, s := range c.statements {
		_ = s.Close()
	}
	_ = c.c.Raw(func(any) error { return sqldriver.ErrBadConn })
	_ = c.c.Close()
}

// codeOf returns SQLite's primary error code, or 0 if the error is not from SQLite.
func codeOf(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

func isBusy(err error) bool {
	code := codeOf(err)
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_LOCKED
}

// isStatementError reports whether an error is that of one statement, which leaves the transaction as it was before. All
// other errors are those of the file or the machine.
func isStatementError(err error) bool {
	switch codeOf(err) {
	case lib.SQLITE_ERROR, lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG, lib.SQLITE_RANGE:
		return true
	default:
		return false
	}
}
