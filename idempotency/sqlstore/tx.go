package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/aihooks/aihooks-go/idempotency"
)

// The errors of [Store.CompleteTx] that are the program's fault.
var (
	// ErrNoClaims: the context is not that of a callback, nor derived from it.
	ErrNoClaims = errors.New("sqlstore: the context carries no claims; pass on the context that the callback was given")

	// ErrOtherStore: the delivery was claimed in another store, which this one cannot complete it in. The handler's
	// Store and the one of the transaction must be the same *Store.
	ErrOtherStore = errors.New("sqlstore: the delivery is claimed in another store than this")
)

// An Execer is a transaction that is open: *sql.Tx is one, *sql.Conn after a BEGIN, and what wraps them. One of pgx's own
// becomes one with
//
//	type pgxTx struct{ pgx.Tx }
//
//	func (tx pgxTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
//		tag, err := tx.Exec(ctx, query, args...)
//		return driver.RowsAffected(tag.RowsAffected()), err
//	}
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// CompleteTx marks the delivery whose callback runs under ctx as done, inside the callback's own transaction, in the
// database of the store: the mark and what the callback wrote are committed together or not at all. All keys of
// the delivery are marked.
//
// On any error the caller must roll back. [idempotency.ErrLeaseLost] means that the lease had ended and somebody else
// has taken the delivery: nothing of this run may take effect. Return the error from the callback: the sender is
// answered 500, and what it sends next finds the delivery as the other run has left it. [ErrNoClaims] and
// [ErrOtherStore] are mistakes in the program. Any other error is the transaction's own, wrapped: under repeatable read
// or serializable a lost lease can show as a serialization failure, and a repeated transaction then gets
// ErrLeaseLost.
//
// Call it last before the commit: until the transaction ends, other claims of the delivery wait. Once it is
// committed the delivery stays completed, even if the callback then returns an error.
func (s *Store) CompleteTx(ctx context.Context, tx Execer) error {
	claims, ok := idempotency.ClaimsFromContext(ctx)
	switch {
	case !ok || len(claims.Keys) == 0:
		return ErrNoClaims
	case claims.Store != idempotency.Store(s):
		return ErrOtherStore
	}
	for _, key := range claims.Keys { // in the order in which they were claimed, as everybody does
		if err := s.complete(ctx, tx, key, claims.Token); err != nil {
			return err
		}
	}
	return nil
}
