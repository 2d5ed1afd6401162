package sqliteinbox

import (
	"context"
	"fmt"

	"github.com/aihooks/aihooks-go/inbox"
)

// The table of what operators set: see engine.Records. The first write creates it, because an older file lacks it.
const (
	recordTable  = `CREATE TABLE IF NOT EXISTS aihooks_inbox_record (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID`
	hasRecords   = `SELECT count(*) FROM sqlite_schema WHERE name = 'aihooks_inbox_record'`
	putRecord    = `INSERT INTO aihooks_inbox_record VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`
	deleteRecord = `DELETE FROM aihooks_inbox_record WHERE key = ?1`
	listRecords  = `SELECT key, value FROM aihooks_inbox_record WHERE substr(key, 1, length(?1)) = ?1`
)

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, s inbox.Scope) error { return b.controls.Pause(ctx, s) }

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, s inbox.Scope) error { return b.controls.Resume(ctx, s) }

// Pauses implements [inbox.Operator].
func (b *Inbox) Pauses(ctx context.Context) ([]inbox.Pause, error) { return b.controls.Pauses(ctx) }

// Audit implements [inbox.Operator].
func (b *Inbox) Audit(ctx context.Context) ([]inbox.Change, error) { return b.controls.Audit(ctx) }

// records implements engine.Records.
type records struct{ *Inbox }

func (b records) PutRecord(ctx context.Context, key string, value []byte) error {
	err := b.writer.run(ctx, func(c *conn) error {
		if _, err := c.exec(recordTable); err != nil {
			return err
		}
		_, err := c.exec(putRecord, key, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	return nil
}

func (b records) DeleteRecord(ctx context.Context, key string) (found bool, err error) {
	err = b.writer.run(ctx, func(c *conn) error {
		if _, err := c.exec(recordTable); err != nil {
			return err
		}
		n, err := c.exec(deleteRecord, key)
		found = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sqliteinbox: %w", err)
	}
	return found, nil
}

func (b records) ListRecords(ctx context.Context, prefix string) (map[string][]byte, error) {
	var tables int
	if err := b.reads.QueryRowContext(ctx, hasRecords).Scan(&tables); err != nil {
		return nil, fmt.Errorf("sqliteinbox: %w", err)
	}
	list := make(map[string][]byte)
	if tables == 0 {
		return list, nil
	}
	rows, err := b.reads.QueryContext(ctx, listRecords, prefix)
	if err == nil {
		err = eachRow(rows, func(scan func(...any) error) error {
			var key string
			var value []byte
			err := scan(&key, &value)
			list[key] = value
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: %w", err)
	}
	return list, nil
}
