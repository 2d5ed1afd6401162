package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// An Inbox is an [inbox.Inbox] in an SQLite file. All its methods may be called concurrently.
type Inbox struct {
	path      string
	options   Options
	readOnly  bool    // see ErrReadOnly
	onlyReads bool    // see AttachReadOnly
	immutable bool    // no process writes to the file, and it has no write-ahead log
	db        *sql.DB // for writes
	reads     *sql.DB
	writer    *writer
	store     *sqlstore.Store
	space     space
	health    health
	files     files
	clock     clock

	stop     context.CancelFunc // stops purging; nil after Attach
	purging  sync.WaitGroup
	closing  sync.Once
	closeErr error

	controls  *engine.Controls
	maxListed int // see List

	active engine.Runs
	closed atomic.Bool
	mu     sync.Mutex
	runs   map[*run]struct{}
}

var _ inbox.Inbox = (*Inbox)(nil)

// openTimeout is how long Open may take. Most of it is waiting for other processes.
const openTimeout = 30 * time.Second

// maxBody is the largest body, in bytes. SQLite's limit is a little less than a gigabyte.
const maxBody = 512 << 20

// Open opens the inbox in a file. It creates the file if it does not exist. Only its owner can read it; on Windows it has
// the permissions of its folder. Nil options mean the defaults.
//
// SQLite keeps two more files next to it, PATH-wal and PATH-shm. If the file is copied or moved while it is open,
// deliveries are lost: see [Inbox.Backup]. If the path is a symbolic link, Open opens its target, or creates it.
//
// Open returns an error in these cases:
//
//   - The file is on a network file system, where locks are not reliable. Open cannot recognize all of them.
//   - The file is mounted without its folder.
//   - The file is not writable.
//   - The file is damaged, or not an SQLite file.
//   - A newer release has changed its tables.
//
// Open logs a warning in these cases:
//
//   - The file system is lost with its container or machine.
//   - The disk has less free space than Options.MinFree.
//   - The program has another SQLite library: see [Inbox.Transact].
func Open(path string, o *Options) (*Inbox, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = locate(path); err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("sqliteinbox: open the inbox for writing: %w", err)
	}
	b := newInbox(path, options)
	if err := b.open(b.prepare); err != nil {
		return nil, fmt.Errorf("sqliteinbox: %s: %w", path, err)
	}
	b.warnOfDisk()
	if drivers := otherLibraries(); len(drivers) > 0 {
		options.Policy.Logger.Warn("sqliteinbox: this program has another SQLite library; it must never open the inbox's file, or stored deliveries are lost; use View and Transact",
			"path", path, "drivers", drivers)
	}
	b.startPurging()
	return b, nil
}

func newInbox(path string, o Options) *Inbox {
	b := &Inbox{
		path: path, options: o, runs: make(map[*run]struct{}), maxListed: maxListed,
		health: health{logger: o.Policy.Logger, path: path, refuseAfter: refuseAfter, failures: make(map[activity]failure)},
	}
	b.controls = engine.NewControls(records{b})
	b.active.Controls, b.active.Report = b.controls, b.report
	return b
}

// locate returns the path of the file itself, with symbolic links resolved. It returns an error if an inbox cannot be
// there.
func locate(path string) (string, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return "", fmt.Errorf("sqliteinbox: the path of an inbox (%q) must be a file path", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqliteinbox: %w", err)
	}
	target, err := resolve(path)
	if err == nil {
		err = checkFileSystem(filepath.Dir(target))
	}
	if info, e := os.Stat(target); err == nil && e == nil && !info.IsDir() && isMountPoint(target) {
		err = errMountPoint
	}
	switch {
	case err != nil && target != "" && target != path:
		return "", fmt.Errorf("sqliteinbox: %s, which is %s: %w", path, target, err)
	case err != nil:
		return "", fmt.Errorf("sqliteinbox: %s: %w", path, err)
	}
	return target, nil
}

// maxLinks is how many symbolic links a path may have, as on Linux.
const maxLinks = 40

// resolve follows symbolic links, even if the target does not exist.
func resolve(path string) (string, error) {
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return path, fmt.Errorf("the folder: %w", err)
		}
		path = filepath.Join(dir, filepath.Base(path))
		link, err := os.Readlink(path)
		switch {
		case err != nil: // no link, or nothing there
			return path, nil //nolint:nilerr // opening the file reports the error
		case filepath.IsAbs(link):
			path = link
		default:
			path = filepath.Join(dir, link)
		}
	}
	return path, errors.New("too many symbolic links")
}

var errMountPoint = errors.New("the file is mounted without its folder, as a container's volume; SQLite keeps some of the data in two files next to it, " +
	"which are lost with the container; mount the folder instead")

// warnOfDisk warns of too little free space and of a volatile file system.
func (b *Inbox) warnOfDisk() {
	logger, minFree := b.options.Policy.Logger, b.options.MinFree
	free, known := freeBytes(b.path)
	switch {
	case minFree <= 0:
	case !known:
		logger.Warn("sqliteinbox: the free space of the disk is unknown, so Options.MinFree has no effect", "path", b.path)
	case free < minFree:
		logger.Warn("sqliteinbox: the disk has less free space than Options.MinFree, so new deliveries are refused; free some space, or set a smaller MinFree",
			"path", b.path, "free", free, "MinFree", minFree)
	}
	if name := volatileFileSystem(filepath.Dir(b.path)); name != "" {
		logger.Warn("sqliteinbox: the file system and the stored deliveries are lost with the container or machine; use a volume",
			"path", b.path, "file_system", name)
	}
}

func errNetwork(name string) error {
	return fmt.Errorf("the file system is a network file system (%s), where SQLite's locks are not reliable; use a local disk", name)
}

// making is held while a file is created. Closing a file drops all locks that the process has on it. If another Open had
// opened it by then, SQLite would lose its locks. So only SQLite opens a file that exists.
var making sync.Mutex

func makeFile(path string) error {
	making.Lock()
	defer making.Unlock()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the caller's; SQLite gives its other files the same mode
	switch {
	case errors.Is(err, os.ErrExist):
		return checkWritable(path)
	case err != nil:
		return err
	default:
		return file.Close()
	}
}

// The pragmas of all connections, and of those that write. Deleted data is overwritten, because a purged body must not
// remain in the file. The connection that creates the file has two more, which come first and need the write lock. SQLite
// keeps its temporary data in memory, because a container with a read-only root has no folder for temporary files.
var (
	makePragmas  = []string{"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)"}
	pragmas      = []string{"busy_timeout(5000)", "temp_store(MEMORY)", "synchronous(FULL)", "cache_size(-16384)"}
	writePragmas = []string{"secure_delete(ON)", "journal_size_limit(67108864)"}
	readPragmas  = []string{"query_only(ON)"}
)

func (b *Inbox) source(pragmas ...[]string) string {
	values := url.Values{"_txlock": {"immediate"}, "mode": {"rw"}} // makeFile has created the file
	if b.onlyReads {
		values.Set("mode", "ro")
		values.Set("readonly_shm", "1")
	}
	if b.immutable {
		values.Set("immutable", "1")
	}
	for _, list := range pragmas {
		for _, p := range list {
			values.Add("_pragma", p)
		}
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(b.path)}).EscapedPath() + "?" + values.Encode()
}

func (b *Inbox) open(prepare func(ctx context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := prepare(ctx); err != nil {
		return err
	}
	if b.db, err = sql.Open("sqlite", b.source(pragmas, writePragmas)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = b.db.Close()
		}
	}()
	b.db.SetMaxOpenConns(3) // for the writer, Transact and purging
	b.db.SetMaxIdleConns(3)
	if b.reads, err = sql.Open("sqlite", b.source(pragmas, readPragmas)); err != nil {
		return err
	}
	const readers = 5 // files keeps one
	b.reads.SetMaxOpenConns(readers)
	b.reads.SetMaxIdleConns(readers)
	b.writer = newWriter(b.db, lockTimeout)
	b.writer.readOnly = b.readOnly
	b.store, err = sqlstore.NewOn(b.writer.runStore, &sqlstore.Options{
		Dialect: sqlstore.SQLite, Namespace: "inbox", Retention: b.options.Retention,
	})
	if err == nil {
		err = b.files.open(ctx, b)
	}
	if err == nil {
		err = b.space.open(b)
	}
	if err != nil {
		b.writer.close()
		return errors.Join(err, b.files.close(), b.reads.Close())
	}
	return nil
}

func (b *Inbox) startPurging() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.purging.Go(func() { b.purgeLoop(ctx) })
}

// prepare creates the log and the tables if they are missing. It waits for other processes until ctx ends. SQLite's busy
// timeout is not enough: while other processes are busy, it may never get the lock.
func (b *Inbox) prepare(ctx context.Context) error {
	return retryBusy(ctx, func() error {
		wal, found, err := b.hasTables(ctx)
		if err == nil && (!wal || !found) {
			err = b.makeTables(ctx)
		}
		return err
	})
}

// retryBusy calls f until the file is not locked. If ctx ends before, it returns the error of the lock, also if ctx ended
// during a call of f, whose error does not say what was waited for.
func retryBusy(ctx context.Context, f func() error) error {
	var busy error
	for {
		err := f()
		switch {
		case isBusy(err):
			busy = err
		case err == nil || busy == nil || ctx.Err() == nil:
			return err
		}
		if !pause(ctx, lastPause) {
			return busy
		}
	}
}

// hasTables reports whether the file has a write-ahead log, and the tables. It needs no lock that a writer has, and
// changes nothing.
func (b *Inbox) hasTables(ctx context.Context) (wal, found bool, err error) {
	db, err := sql.Open("sqlite", b.source(pragmas[:2]))
	if err != nil {
		return false, false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'aihooks_inbox_version'`).Scan(&found)
	}
	if err == nil && found {
		err = checkVersion(ctx, db)
	}
	return mode == "wal", found, err
}

func (b *Inbox) makeTables(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", b.source(makePragmas, pragmas, writePragmas))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file's journal mode is %q and cannot be changed to WAL", mode)
	}
	return migrate(ctx, db)
}

// lockTimeout is how long another process may keep the file locked before waiting operations fail.
const lockTimeout = 5 * time.Second

// Close ends every Run, waits until it has returned, completes the writes that began before, and closes the file. Call it
// last in a shutdown, after http.Server.Shutdown, the Shutdown of the handlers, and [Inbox.Shutdown]. If Runs still run,
// it waits up to Policy.DrainTimeout. The response to later deliveries is 503. Further calls return the result of the
// first.
func (b *Inbox) Close() error {
	b.closing.Do(func() {
		b.closed.Store(true)
		b.active.Close()
		if b.stop != nil {
			b.stop()
		}
		b.purging.Wait()
		b.writer.close()
		b.closeErr = errors.Join(b.files.close(), b.reads.Close(), b.db.Close())
	})
	return b.closeErr
}

// CheckHandler implements [webhook.Inbox].
func (b *Inbox) CheckHandler(_, _ string, limit int64) error {
	if limit > maxBody {
		return fmt.Errorf("sqliteinbox: Options.MaxBody (%d) of the handler must be at most %d", limit, maxBody)
	}
	return nil
}
