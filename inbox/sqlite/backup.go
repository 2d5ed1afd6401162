package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a copy of the inbox, as it is at this time, to a file that must not be there yet, by SQLite's VACUUM INTO.
// The copy is durable when Backup returns, and readable for its owner alone; on Windows it has the permissions of its folder.
// Deliveries go on being stored and run meanwhile, while the write-ahead log grows. After an error there is no copy.
//
// [Attach] and the command aihooks look into a copy. To restore it, stop every process that has the inbox open, remove PATH,
// PATH-wal and PATH-shm, and put the copy at PATH. Deliveries that were pending then run, also those that have run since.
func (b *Inbox) Backup(ctx context.Context, path string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the caller's
	if err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	if err = b.copyTo(ctx, path); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("sqlite: backup: %w", errors.Join(err, os.Remove(path)))
	}
	if folder, err := os.Open(filepath.Dir(path)); err == nil { // for the name; Windows needs and allows no such thing
		_ = folder.Sync()
		_ = folder.Close()
	}
	return nil
}

// copyTo has a connection of its own: SQLite refuses VACUUM INTO to one with PRAGMA query_only.
func (b *Inbox) copyTo(ctx context.Context, path string) error {
	if b.closed.Load() {
		return ErrClosed
	}
	db, err := sql.Open("sqlite", b.source(pragmas))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, db.Close())
}
