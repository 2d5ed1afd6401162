package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// fileSuffixes are those of the database file, its write-ahead log and its shared memory.
var fileSuffixes = []string{"", "-wal", "-shm"}

// files are the files of an open inbox. SQLite goes on writing to a file that was removed or replaced, and what it writes is
// lost with the process.
type files struct {
	logger *slog.Logger
	path   string
	conn   *sql.Conn // keeps the log and the shared memory: SQLite removes them with the last connection

	mu        sync.Mutex
	opened    map[string]os.FileInfo // by suffix
	checkedAt time.Time
	err       error
	closed    bool // SQLite may remove the log
}

func (f *files) open(ctx context.Context, b *Inbox) (err error) {
	f.logger, f.path, f.opened = b.options.Policy.Logger, b.path, make(map[string]os.FileInfo)
	if f.conn, err = b.reads.Conn(ctx); err != nil {
		return err
	}
	if err := checkVersion(ctx, f.conn); err != nil { // SQLite makes the log when it first reads
		return err
	}
	for _, suffix := range fileSuffixes {
		info, err := os.Stat(f.path + suffix)
		if err != nil {
			continue // a backup has no log
		}
		os.SameFile(info, info) // on Windows FileInfo reads the file's identity only now
		f.opened[suffix] = info
	}
	return nil
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.conn == nil {
		return nil
	}
	return f.conn.Close()
}

// check returns an error if a file is no longer the one that was opened. It looks unless somebody has looked after the time
// given. It logs when that begins, and when it ends.
func (f *files) check(after time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.checkedAt.After(after) {
		return f.err
	}
	f.checkedAt = time.Now()
	before := f.err
	f.err = f.look()
	switch {
	case before == nil && f.err != nil:
		f.logger.Error("inbox: the open file was moved, removed or replaced; new deliveries are refused until it is back or the program is restarted",
			"path", f.path, "error", f.err)
	case before != nil && f.err == nil:
		f.logger.Info("inbox: the open file is back; new deliveries are stored again", "path", f.path)
	}
	return f.err
}

func (f *files) look() error {
	for suffix, opened := range f.opened {
		info, err := os.Stat(f.path + suffix)
		if err != nil {
			return fmt.Errorf("sqlite: the file that is open is no longer there: %w", err)
		}
		if !os.SameFile(info, opened) {
			return fmt.Errorf("sqlite: %s is no longer the file that is open", f.path+suffix)
		}
	}
	return nil
}
