package sqlite

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
	immutable bool    // nothing writes to the file, and there is no log
	db        *sql.DB // for what writes
	reads     *sql.DB
	writer    *writer
	store     *sqlstore.Store
	space     space
	health    health
	files     files
	clock     clock

	stop     context.CancelFunc // ends the housekeeping; nil if there is none
	keeping  sync.WaitGroup
	closing  sync.Once
	closeErr error

	active engine.Runs
	closed atomic.Bool
	mu     sync.Mutex
	runs   map[*run]struct{}

	reported atomic.Int64 // when trouble was logged last, in Unix milliseconds
}

var _ inbox.Inbox = (*Inbox)(nil)

// openTimeout is how long Open may take, most of which is waiting for other processes.
const openTimeout = 30 * time.Second

// maxBody is what a row can surely hold; SQLite's own limit is a little less than a gigabyte.
const maxBody = 512 << 20

// Open opens the inbox in a file, which is made, for its owner alone, if it is not there; on Windows it has the permissions of
// its folder. Nil options are the defaults.
// SQLite keeps two more files next to it, PATH-wal and PATH-shm: if the file is copied or moved while it is open, deliveries
// are lost. See [Inbox.Backup]. A symbolic link names the file that it points to, also one that is not there yet.
//
// It is an error if the file is on a network file system, where locks cannot be relied on, as far as that can be told; if the
// file is mounted without its folder; if it cannot be written; if it is damaged or no SQLite file; and if a newer release has
// changed its tables. Open logs a warning if the file system does not outlive its container or machine, if the disk has less
// free space than Options.MinFree, and if the program has another SQLite library, see [Inbox.Transact].
func Open(path string, o *Options) (*Inbox, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = locate(path); err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("sqlite: the inbox cannot be opened for writing: %w", err)
	}
	b := newInbox(path, options)
	if err := b.open(b.prepare); err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	b.warnOfDisk()
	if drivers := otherLibraries(); len(drivers) > 0 {
		options.Policy.Logger.Warn("sqlite: this program has another SQLite library: it must never open the inbox's file, or stored deliveries are lost; use View and Transact",
			"path", path, "drivers", drivers)
	}
	b.keepHouseUntilClosed()
	return b, nil
}

func newInbox(path string, o Options) *Inbox {
	return &Inbox{
		path: path, options: o, runs: make(map[*run]struct{}),
		health: health{logger: o.Policy.Logger, path: path, refuseAfter: refuseAfter, failures: make(map[activity]failure)},
	}
}

// locate returns the path of the file itself, which SQLite keeps its other files beside, if an inbox may be there.
func locate(path string) (string, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return "", fmt.Errorf("sqlite: the path of an inbox must be that of a file, and is %q", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
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
		return "", fmt.Errorf("sqlite: %s, which is %s: %w", path, target, err)
	case err != nil:
		return "", fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return target, nil
}

// maxLinks is how many symbolic links a path may have, as on Linux.
const maxLinks = 40

// resolve follows symbolic links, also one to a file that is not there yet.
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
			return path, nil //nolint:nilerr // what is wrong with it is found when it is opened
		case filepath.IsAbs(link):
			path = link
		default:
			path = filepath.Join(dir, link)
		}
	}
	return path, errors.New("too many symbolic links")
}

var errMountPoint = errors.New("the file itself is mounted, as by a container's volume: SQLite keeps a part of the data in two files next to it, " +
	"which would be lost with the container; mount the folder instead")

// warnOfDisk logs what the disk lacks.
func (b *Inbox) warnOfDisk() {
	logger, minFree := b.options.Policy.Logger, b.options.MinFree
	free, known := freeBytes(b.path)
	switch {
	case minFree <= 0:
	case !known:
		logger.Warn("sqlite: the free space of the disk is unknown, so Options.MinFree has no effect", "path", b.path)
	case free < minFree:
		logger.Warn("sqlite: the disk has less free space than Options.MinFree, so new deliveries are refused: free some, or set a smaller MinFree",
			"path", b.path, "free", free, "MinFree", minFree)
	}
	if name := volatileFileSystem(filepath.Dir(b.path)); name != "" {
		logger.Warn("sqlite: the file system does not outlive its container or machine, and what is stored is lost with it: use a volume",
			"path", b.path, "file_system", name)
	}
}

func errNetwork(name string) error {
	return fmt.Errorf("the file system is %s, over a network, where SQLite's locks cannot be relied on; use a local disk", name)
}

// making is held while a file is made. To close a file gives up all locks that the process has on it, and so SQLite's as
// well if another Open had it open by then: a file that is there is not opened but by SQLite.
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

// The pragmas of all connections, and those of the ones that write. What is deleted is overwritten: a body that was purged
// is to be gone from the file. What makes the file has two more, which come first and need the write lock. SQLite keeps its
// temporary data in memory: a container with a read-only root has no folder for temporary files.
var (
	makePragmas  = []string{"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)"}
	pragmas      = []string{"busy_timeout(5000)", "temp_store(MEMORY)", "synchronous(FULL)", "cache_size(-16384)"}
	writePragmas = []string{"secure_delete(ON)", "journal_size_limit(67108864)"}
	readPragmas  = []string{"query_only(ON)"}
)

func (b *Inbox) source(pragmas ...[]string) string {
	values := url.Values{"_txlock": {"immediate"}, "mode": {"rw"}} // the file is there: see makeFile
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
	b.db.SetMaxOpenConns(3) // the writer's, Transact's, and the housekeeping's
	b.db.SetMaxIdleConns(3)
	if b.reads, err = sql.Open("sqlite", b.source(pragmas, readPragmas)); err != nil {
		return err
	}
	const readers = 5 // one is kept by files
	b.reads.SetMaxOpenConns(readers)
	b.reads.SetMaxIdleConns(readers)
	b.writer = newWriter(b.db, patience)
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

func (b *Inbox) keepHouseUntilClosed() {
	keeping, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.keeping.Go(func() { b.keepHouse(keeping) })
}

// prepare makes what there has to be in the file. It waits for other processes for as long as ctx lasts: SQLite's own
// patience may come last every time while they are busy.
func (b *Inbox) prepare(ctx context.Context) error {
	for {
		wal, found, err := b.hasTables(ctx)
		if err == nil && (!wal || !found) {
			err = b.makeTables(ctx)
		}
		if err == nil || !isBusy(err) || !pause(ctx, lastPause) {
			return err
		}
	}
}

// hasTables reports whether the file has a write-ahead log, and the tables. To find out it needs no lock that a writer has,
// and changes nothing.
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

// patience is how long another process may keep the file locked before what waits is given up.
const patience = 5 * time.Second

// Close ends every Run as the end of its context would, waits for it, has what was asked before written, and closes the
// file. It comes last in a shutdown, after http.Server.Shutdown, the Shutdown of the handlers and [Inbox.Shutdown], by whose
// deadline the Runs have ended: otherwise it waits for up to Policy.DrainTimeout. What is delivered later is answered 503. Further calls return what the first did.
func (b *Inbox) Close() error {
	b.closing.Do(func() {
		b.closed.Store(true)
		b.active.Close()
		if b.stop != nil {
			b.stop()
		}
		b.keeping.Wait()
		b.writer.close()
		b.closeErr = errors.Join(b.files.close(), b.reads.Close(), b.db.Close())
	})
	return b.closeErr
}

// CheckHandler implements [webhook.Inbox].
func (b *Inbox) CheckHandler(_, _ string, limit int64) error {
	if limit > maxBody {
		return fmt.Errorf("sqlite: bodies of up to %d bytes can be stored, and Options.MaxBody is %d", maxBody, limit)
	}
	return nil
}
