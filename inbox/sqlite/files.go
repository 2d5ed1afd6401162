package sqliteinbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// fileSuffixes are the suffixes of the database file, its write-ahead log and its shared memory.
var fileSuffixes = []string{"", "-wal", "-shm"}

// files detects that the open files were removed or replaced. SQLite continues to write to such files, and the data is
// lost when the process ends.
type files struct {
	logger *slog.Logger
	path   string
	conn   *sql.Conn // stays open: SQLite removes the log and the shared memory with the last connection

	mu        sync.Mutex
	opened    map[string]os.FileInfo // by suffix
	checkedAt time.Time
	err       error
	closed    bool // SQLite may remove the log from now on
}

func (f *files) open(ctx context.Context, b *Inbox) (err error) {
	f.logger, f.path, f.opened = b.options.Policy.Logger, b.path, make(map[string]os.FileInfo)
	if f.conn, err = b.reads.Conn(ctx); err != nil {
		return err
	}
	if err := checkVersion(ctx, f.conn); err != nil { // SQLite creates the log at the first read
		return err
	}
	for _, suffix := range fileSuffixes {
		info, err := os.Stat(f.path + suffix)
		if err != nil {
			continue // a backup has no log
		}
		os.SameFile(info, info) // on Windows, FileInfo reads the file's identity only at the first call
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

// check returns an error if a file is no longer the one that was opened. It looks at the files unless the last look was
// after the given time. It logs when the problem begins and when it ends.
func (f *files) check(after time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.checkedAt.After(after) {
		return f.err
	}
	f.checkedAt = time.Now()
	before := f.err
	f.err = f.compare()
	switch {
	case before == nil && f.err != nil:
		f.logger.Error("inbox: the open file was moved, removed or replaced; new deliveries are refused until it is back or the program is restarted",
			"path", f.path, "error", f.err)
	case before != nil && f.err == nil:
		f.logger.Info("inbox: the open file is back; new deliveries are stored again", "path", f.path)
	}
	return f.err
}

func (f *files) compare() error {
	for suffix, opened := range f.opened {
		info, err := os.Stat(f.path + suffix)
		if err != nil {
			return fmt.Errorf("sqliteinbox: the open file was removed: %w", err)
		}
		if !os.SameFile(info, opened) {
			return fmt.Errorf("sqliteinbox: the open file %s was replaced", f.path+suffix)
		}
	}
	return nil
}
