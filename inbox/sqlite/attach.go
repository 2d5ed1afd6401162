package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	lib "modernc.org/sqlite/lib"
)

// ErrReadOnly is returned by everything that would change an inbox whose file, or folder, cannot be written.
var ErrReadOnly = errors.New("sqlite: the inbox is read-only: its file or its folder cannot be written")

var errNoInbox = errors.New("there is no inbox in this file")

// Attach opens an inbox that a service has made, and most likely has open: for tools that look into it, or retry and
// discard. It makes no file and no tables, and purges nothing, however old: the retentions are the service's business.
// It opens backups as well, see [Inbox.Backup], and leaves them as they are unless they are changed.
//
// Where the file or its folder cannot be written, by permission or because its medium is read-only, the inbox can be looked
// at, and what would change it returns [ErrReadOnly].
//
// It is an error as well if there is no such file, or no inbox in it. It is one, too, where nothing can be written and a
// write-ahead log is left of a process that was killed: copy both files to a folder that can be written.
func Attach(path string) (*Inbox, error) {
	options, err := (*Options)(nil).withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = locate(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: there is no inbox: %w", err)
	}
	b := newInbox(path, options)
	if err := checkWritable(path); err != nil {
		if info.IsDir() {
			return nil, fmt.Errorf("sqlite: there is no inbox: %w", err)
		}
		b.readOnly = true
	}
	if err := b.open(b.findTables); err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return b, nil
}

// findTables returns an error if there is no inbox in the file.
func (b *Inbox) findTables(ctx context.Context) error {
	_, found, err := b.hasTables(ctx)
	if codeOf(err) == lib.SQLITE_CANTOPEN || codeOf(err) == lib.SQLITE_READONLY {
		// SQLite needs the shared memory of a write-ahead log, and cannot make it here.
		if err := b.checkUnused(err); err != nil {
			return err
		}
		b.immutable, b.readOnly = true, true
		_, found, err = b.hasTables(ctx)
	}
	if err == nil && !found {
		return errNoInbox
	}
	return err
}

// checkUnused returns an error unless all that is stored is in the database file itself, and no process has it open.
func (b *Inbox) checkUnused(err error) error {
	if log, e := os.Stat(b.path + "-wal"); e == nil && log.Size() > 0 {
		return fmt.Errorf("%w: its write-ahead log has deliveries, and cannot be read where nothing can be written: copy %[2]s and %[2]s-wal to another folder", err, b.path)
	}
	if _, e := os.Stat(b.path + "-shm"); e == nil {
		return fmt.Errorf("%w: a process may have it open, and this one cannot read %s-shm", err, b.path)
	}
	return nil
}
