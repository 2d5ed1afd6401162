package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// Store returns the idempotency store in the same file. Handlers whose Options have no other take it.
func (b *Inbox) Store() idempotency.Store { return b.store }

// CompleteTx is [sqlstore.Store.CompleteTx] of the inbox's own store: it marks the delivery whose callback runs under ctx
// as done, inside a transaction on the inbox's file, so that the mark and what the callback wrote are committed together
// or not at all. tx is the one that [Inbox.Transact] gives, or one of a handle of the program's own.
func (b *Inbox) CompleteTx(ctx context.Context, tx sqlstore.Execer) error {
	return b.store.CompleteTx(ctx, tx)
}

// Transact calls f with a transaction on the inbox's file, for tables of the program's own beside ours, and commits it if f
// returns nil. It takes turns with the inbox's own writes, which wait meanwhile, and with them the answers to vendors:
// f must be short, and ask nothing but the database. Inside f the inbox is asked nothing with the context that f is given,
// which would be refused, and nothing with any other, which would wait for the end of f.
//
// A program may as well write by a handle of its own; then it needs a busy_timeout and SetMaxOpenConns(1), and waits by
// sleeping where Transact has its turn: seconds, if many write at once.
func (b *Inbox) Transact(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	if ctx.Value(insideTransact{}) != nil {
		return errors.New("sqlite: Transact cannot be called inside Transact")
	}
	for _, place := range []chan struct{}{b.writer.guest, b.writer.turn} {
		select {
		case place <- struct{}{}:
			defer func() { <-place }()
		case <-ctx.Done():
			return b.writer.late(ctx)
		case <-b.writer.closing:
			return ErrClosed
		}
	}
	select {
	case <-b.writer.closing: // of two that are ready, select takes any
		return ErrClosed
	default:
	}
	c, err := b.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	defer func() { _ = c.Close() }()
	tx, err := b.writer.beginTx(ctx, c)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing to do once it is committed
	if err := f(context.WithValue(ctx, insideTransact{}, true), tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}
