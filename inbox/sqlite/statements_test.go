package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// claimStatements are what the idempotency store says when it claims and completes.
func claimStatements() (claim, complete string) {
	var r overheard
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

// An overheard is a connection that remembers the last query and does nothing.
type overheard struct{ query string }

func (r *overheard) ExecContext(_ context.Context, query string, _ ...any) (sql.Result, error) {
	r.query = query
	return nil, errors.ErrUnsupported
}

func (r *overheard) QueryContext(_ context.Context, query string, _ ...any) (*sql.Rows, error) {
	r.query = query
	return nil, errors.ErrUnsupported
}
