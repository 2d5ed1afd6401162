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
)

// An Inbox is an [inbox.Inbox] in an SQLite file. All its methods may be called concurrently.
type Inbox struct {
	path    string
	options Options
	db      *sql.DB // for what writes
	reads   *sql.DB
	writer  *writer
	store   *sqlstore.Store
	space   space
	clock   clock

	stop     context.CancelFunc // ends the housekeeping; nil if there is none
	keeping  sync.WaitGroup
	closing  sync.Once
	closeErr error

	active inbox.Runs
	closed atomic.Bool
	mu     sync.Mutex
	runs   map[*run]struct{}

	reported atomic.Int64 // when trouble was logged last, in Unix milliseconds
}

var _ inbox.Inbox = (*Inbox)(nil)

// openTimeout is how long Open may take, most of which is waiting for other processes.
const openTimeout = 10 * time.Second

// maxBody is what a row can surely hold; SQLite's own limit is a little less than a gigabyte.
const maxBody = 512 << 20

// Open opens the inbox in a file, which is made, for its owner alone, if it is not there; on Windows it has the permissions of
// its folder. Nil options are the defaults.
// Beside it SQLite keeps two files more, PATH-wal and PATH-shm: whoever copies or moves the file while it is open loses
// deliveries.
//
// It is an error if the file is on a network file system, where locks cannot be relied on, as far as that can be told;
// if it is not to be written; if it is damaged or no SQLite file; and if a newer release has changed its tables.
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
	b := &Inbox{path: path, options: options, runs: make(map[*run]struct{})}
	if err := b.open(prepare); err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	if _, known := freeBytes(path); !known && options.MinFree > 0 {
		options.Policy.Logger.Warn("sqlite: the free space of the disk is unknown, so Options.MinFree has no effect", "path", path)
	}
	b.keepHouseUntilClosed()
	return b, nil
}

// Attach opens an inbox that a service has made, and most likely has open: for tools that look into it, or retry and
// discard. It makes no file and no tables, and purges nothing, however old: the retentions are the service's business.
//
// It is an error as well if there is no such file, or no inbox in it.
func Attach(path string) (*Inbox, error) {
	options, err := (*Options)(nil).withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = locate(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil { // or SQLite would make it
		return nil, fmt.Errorf("sqlite: there is no inbox: %w", err)
	}
	if err := checkWritable(path); err != nil {
		return nil, fmt.Errorf("sqlite: the inbox cannot be opened for writing: %w", err)
	}
	b := &Inbox{path: path, options: options, runs: make(map[*run]struct{})}
	if err := b.open(mustBeReady); err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return b, nil
}

var errNoInbox = errors.New("there is no inbox in this file")

func mustBeReady(ctx context.Context, path string) error {
	ready, err := isReady(ctx, path)
	if err == nil && !ready {
		return errNoInbox
	}
	return err
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
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := checkFileSystem(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return path, nil
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
// is to be gone from the file. What makes the file has one more, which comes first and needs the write lock.
var (
	makePragmas  = []string{"auto_vacuum(INCREMENTAL)"}
	pragmas      = []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-16384)"}
	writePragmas = []string{"secure_delete(ON)", "journal_size_limit(67108864)"}
	readPragmas  = []string{"query_only(ON)"}
)

func source(path string, pragmas ...[]string) string {
	values := url.Values{"_txlock": {"immediate"}}
	for _, list := range pragmas {
		for _, p := range list {
			values.Add("_pragma", p)
		}
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + values.Encode()
}

func (b *Inbox) open(prepare func(ctx context.Context, path string) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := prepare(ctx, b.path); err != nil {
		return err
	}
	if b.db, err = sql.Open("sqlite", source(b.path, pragmas, writePragmas)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = b.db.Close()
		}
	}()
	b.db.SetMaxOpenConns(3) // the writer's, Transact's, and the housekeeping's
	b.db.SetMaxIdleConns(3)
	if b.reads, err = sql.Open("sqlite", source(b.path, pragmas, readPragmas)); err != nil {
		return err
	}
	const readers = 4
	b.reads.SetMaxOpenConns(readers)
	b.reads.SetMaxIdleConns(readers)
	b.writer = newWriter(b.db, patience)
	b.store, err = sqlstore.NewOn(b.writer.runStore, sqlstore.Options{
		Dialect: sqlstore.SQLite, Namespace: "inbox", Retention: b.options.Retention,
	})
	if err == nil {
		err = b.space.open(b)
	}
	if err != nil {
		b.writer.close()
		return errors.Join(err, b.reads.Close())
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
func prepare(ctx context.Context, path string) error {
	for {
		ready, err := isReady(ctx, path)
		if err == nil && !ready {
			err = makeTables(ctx, path)
		}
		if err == nil || !isBusy(err) || !pause(ctx, lastPause) {
			return err
		}
	}
}

// isReady reports whether the file has the tables. To find out it needs no lock that a writer has, and changes nothing.
func isReady(ctx context.Context, path string) (ready bool, err error) {
	db, err := sql.Open("sqlite", source(path, pragmas[:1]))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mode string
	var found int
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'aihooks_inbox_version'`).Scan(&found)
	}
	if err != nil || mode != "wal" || found == 0 {
		return false, err
	}
	return true, checkVersion(ctx, db)
}

func makeTables(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", source(path, makePragmas, pragmas, writePragmas))
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
		b.closeErr = errors.Join(b.reads.Close(), b.db.Close())
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
