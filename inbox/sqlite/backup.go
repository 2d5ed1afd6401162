package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a copy of the inbox to a file that must not exist yet. It uses SQLite's VACUUM INTO. The copy is durable
// when Backup returns. Only its owner can read it; on Windows it has the permissions of its folder. Deliveries continue
// to be stored and run, while the write-ahead log grows. After an error there is no copy.
//
// [Attach] and the command aihooks can read a copy. To restore it, stop every process that has the inbox open, remove
// PATH, PATH-wal and PATH-shm, and put the copy at PATH. Deliveries that were pending at the time of the backup run, even
// if they have run since.
func (b *Inbox) Backup(ctx context.Context, path string) (err error) {
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("sqliteinbox: backup: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the caller's
	if err != nil {
		return fmt.Errorf("sqliteinbox: backup: %w", err)
	}
	if err = b.copyTo(ctx, path); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("sqliteinbox: backup: %w", errors.Join(err, os.Remove(path)))
	}
	if folder, err := os.Open(filepath.Dir(path)); err == nil { // makes the file's name durable; Windows neither needs nor allows it
		_ = folder.Sync()
		_ = folder.Close()
	}
	return nil
}

// copyTo opens a separate connection, because SQLite refuses VACUUM INTO on one with PRAGMA query_only.
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
