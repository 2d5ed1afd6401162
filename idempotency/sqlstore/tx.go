package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/aihooks/aihooks-go/idempotency"
)

// The errors of [Store.CompleteTx] that are mistakes in the program.
var (
	// ErrNoClaims means that the context is neither that of a callback nor derived from it.
	ErrNoClaims = errors.New("sqlstore: the context carries no claims; pass the context that the callback received")

	// ErrOtherStore means that the delivery was claimed in another store. The handler's Store and the Store of the
	// transaction must be the same *Store.
	ErrOtherStore = errors.New("sqlstore: the delivery was claimed in another store; use the handler's Store")
)

// An Execer is an open transaction: a *sql.Tx, a *sql.Conn after a BEGIN, or a wrapper of these. A pgx.Tx becomes an Execer
// with
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

// CompleteTx completes the delivery whose callback runs under ctx, inside the callback's own transaction. The transaction
// must be in the store's database. The completion and the callback's changes are committed together or not at all.
// CompleteTx completes all keys of the delivery.
//
// After any error, the caller must roll back. The errors are:
//
//   - [idempotency.ErrLeaseLost]: the lease had ended, and another run has claimed the delivery. This run must not take
//     effect. Return the error from the callback, so that the sender gets a 500. The sender's next attempt gets the
//     outcome of the other run.
//   - [ErrNoClaims] and [ErrOtherStore]: mistakes in the program.
//   - Any other error is the transaction's, wrapped. Under repeatable read or serializable, a lease that was renewed or lost
//     during the transaction causes a serialization failure. Repeat the transaction then. It gets ErrLeaseLost if the lease
//     was lost. The lease is first renewed when a third of it has passed.
//
// Call CompleteTx last before the commit, because other claims of the delivery wait until the transaction ends. After the
// commit the delivery stays completed, even if the callback returns an error.
func (s *Store) CompleteTx(ctx context.Context, tx Execer) error {
	claims, ok := idempotency.ClaimsFromContext(ctx)
	switch {
	case !ok || len(claims.Keys) == 0:
		return ErrNoClaims
	case claims.Store != idempotency.Store(s):
		return ErrOtherStore
	}
	for _, key := range claims.Keys { // in the order of the claims, so that transactions do not deadlock
		if err := s.complete(ctx, tx, key, claims.Token); err != nil {
			return err
		}
	}
	return nil
}
