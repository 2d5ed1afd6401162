package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"os"

	lib "modernc.org/sqlite/lib"
)

// ErrReadOnly is returned by every method that would change an inbox whose file or folder is not writable, or that was
// opened by [AttachReadOnly].
var ErrReadOnly = errors.New("sqliteinbox: the inbox is read-only: it was opened so, or its file or its folder is not writable")

var errNoInbox = errors.New("there is no inbox in this file")

// Attach opens an inbox that a service has created and may have open. It is for tools that list, retry or discard
// deliveries. It creates no file and no tables. It purges nothing: that is up to the service. It also opens backups, see
// [Inbox.Backup], and does not change them by itself.
//
// If the file or its folder is not writable, because of permissions or a read-only medium, the inbox can only be read.
// Methods that would change it return [ErrReadOnly].
//
// Attach returns an error if there is no such file, or no inbox in it. It also returns an error if nothing is writable
// and a killed process has left a write-ahead log. Then copy both files to a writable folder.
func Attach(path string) (*Inbox, error) { return attach(path, false) }

// AttachReadOnly is [Attach] for commands that only look. It needs no write permission, changes no file and creates none,
// also next to a running service. Methods that would change the inbox return [ErrReadOnly]. Close the inbox soon: if no
// service has the file open, the inbox does not notice that one starts later.
func AttachReadOnly(path string) (*Inbox, error) { return attach(path, true) }

func attach(path string, onlyReads bool) (*Inbox, error) {
	options, err := (*Options)(nil).withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = locate(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: there is no inbox: %w", err)
	}
	b := newInbox(path, options)
	b.readOnly, b.onlyReads = onlyReads, onlyReads
	if onlyReads && info.IsDir() {
		return nil, fmt.Errorf("sqliteinbox: there is no inbox: %s is a folder", path)
	}
	if onlyReads {
		// checkWritable would open the file for writing.
	} else if err := checkWritable(path); err != nil {
		if info.IsDir() {
			return nil, fmt.Errorf("sqliteinbox: there is no inbox: %w", err)
		}
		b.readOnly = true
	}
	if err := b.open(b.findTables); err != nil {
		return nil, fmt.Errorf("sqliteinbox: %s: %w", path, err)
	}
	return b, nil
}

// findTables returns an error if there is no inbox in the file.
func (b *Inbox) findTables(ctx context.Context) error {
	b.immutable = b.onlyReads && b.checkUnused(errNoInbox) == nil // otherwise SQLite would create a write-ahead log
	_, found, err := b.hasTables(ctx)
	if codeOf(err) == lib.SQLITE_CANTOPEN || codeOf(err) == lib.SQLITE_READONLY {
		// SQLite needs the shared memory of a write-ahead log, and cannot create it here.
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

// checkUnused returns an error unless all data is in the database file itself and no process has it open.
func (b *Inbox) checkUnused(err error) error {
	if log, e := os.Stat(b.path + "-wal"); e == nil && log.Size() > 0 {
		return fmt.Errorf("%w: its write-ahead log has deliveries, which cannot be read without writing to the folder; copy %[2]s and %[2]s-wal to a writable folder, and open it for writing", err, b.path)
	}
	if _, e := os.Stat(b.path + "-shm"); e == nil {
		return fmt.Errorf("%w: another process may have it open, and this process cannot read %s-shm", err, b.path)
	}
	return nil
}
