package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// claimStatements returns the statements with which the idempotency store claims and completes.
func claimStatements() (claim, complete string) {
	var r recordingConn
	store, err := sqlstore.NewOn(func(_ context.Context, f func(sqlstore.Conn) error) error { return f(&r) },
		&sqlstore.Options{Dialect: sqlstore.SQLite, Namespace: "inbox"})
	if err != nil {
		panic(err)
	}
	_, _ = store.Claim(context.Background(), "key", idempotency.Token{}, time.Minute)
	claim = r.query
	_ = store.Complete(context.Background(), "key", idempotency.Token{})
	return claim, r.query
}

// A recordingConn records the last query and does nothing.
type recordingConn struct{ query string }

func (r *recordingConn) ExecContext(_ context.Context, query string, _ ...any) (sql.Result, error) {
	r.query = query
	return nil, errors.ErrUnsupported
}

func (r *recordingConn) QueryContext(_ context.Context, query string, _ ...any) (*sql.Rows, error) {
	r.query = query
	return nil, errors.ErrUnsupported
}
