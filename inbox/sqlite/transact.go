package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// Store returns the idempotency store in the same file. Handlers use it unless their Options set another.
func (b *Inbox) Store() idempotency.Store { return b.store }

// CompleteTx marks the delivery whose callback runs under ctx as done, in a transaction on the inbox's file. The mark and
// the callback's writes are committed together or not at all. tx is the transaction of [Inbox.Transact], or of another
// handle: see there. It calls [sqlstore.Store.CompleteTx] of the inbox's store.
func (b *Inbox) CompleteTx(ctx context.Context, tx sqlstore.Execer) error {
	return b.store.CompleteTx(ctx, tx)
}

// Transact calls f with a transaction on the inbox's file, and commits it if f returns nil. Use it for your tables in the
// same file.
//
// Transact and the inbox's writer exclude each other. While f runs, the inbox cannot write, and vendors get no response.
// So f must be short, and must wait for nothing but the database. Inside f, do not call methods of the inbox that write:
// with the context of f they return an error, and with another context they wait for f to end.
//
// The program must not open the file by another SQLite library, even to read. When that library closes the file, the
// system drops the locks of the whole process. Another process can then delete the write-ahead log with stored deliveries
// in it. Open logs a warning if database/sql has the driver of another library. Use Transact to write, and [Inbox.View]
// to read.
//
// A handle of the driver "sqlite" of modernc.org/sqlite is safe, because the inbox uses the same library. It needs a
// busy_timeout and SetMaxOpenConns(1). It waits by sleeping: for seconds, if many callers write at once.
func (b *Inbox) Transact(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	if b.readOnly {
		return ErrReadOnly
	}
	if ctx.Value(insideTransact{}) != nil {
		return errors.New("sqliteinbox: Transact must not be called inside Transact")
	}
	for _, lock := range []chan struct{}{b.writer.txWaiter, b.writer.writeLock} {
		select {
		case lock <- struct{}{}:
			defer func() { <-lock }()
		case <-ctx.Done():
			return b.writer.late(ctx)
		case <-b.writer.closing:
			return ErrClosed
		}
	}
	select {
	case <-b.writer.closing: // select picks any ready case, so closing may have lost
		return ErrClosed
	default:
	}
	c, err := b.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	defer func() { _ = c.Close() }()
	tx, err := b.writer.beginTx(ctx, c)
	if err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	if err := f(context.WithValue(ctx, insideTransact{}, true), tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	return nil
}

// View calls f with a read-only transaction on the inbox's file, and ends it when f returns. The transaction sees the
// file as of its first query. It blocks no writer. f must be short, because the write-ahead log grows until it returns.
func (b *Inbox) View(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := b.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // read-only
	return f(ctx, tx)
}
