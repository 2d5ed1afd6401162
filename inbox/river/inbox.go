package riverinbox

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// Client is the user's River client. It must use pgx.
type Client = river.Client[pgx.Tx]

// An Inbox stores deliveries as River jobs.
type Inbox struct {
	options Options
	pool    *pgxpool.Pool
	primary *primary
	db      *sql.DB // uses the pool's connections; for the store
	store   *sqlstore.Store

	schema   string // of River's tables; set by Configure
	pollOnly bool   // River does not use LISTEN; set by Configure

	configured atomic.Bool
	skew       atomic.Int64 // nanoseconds by which the database's clock is ahead
	client     atomic.Pointer[Client]

	changing  sync.Mutex // held while queues are added and removed, which may take a while
	mu        sync.RWMutex
	queues    map[string]*queue // those that Runs have added to the client, by name
	listening bool              // whether listen runs
	until     context.Context   // the context of Shutdown; nil before

	active   engine.Runs
	alerter  *engine.Alerter
	controls *engine.Controls

	attached  bool // see Attach
	maxListed int  // see List
}

var _ inbox.Inbox = (*Inbox)(nil)

// New returns an inbox in the database of pool. The pool stays the caller's, and New sends no query. The error names the
// option that is invalid. Next, call [Inbox.Configure], river.NewClient and [Inbox.Use].
func New(pool *pgxpool.Pool, o *Options) (*Inbox, error) {
	if pool == nil {
		return nil, errors.New("riverinbox: New needs a pool")
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	primary := &primary{pool: pool}
	store, err := sqlstore.NewOn(func(_ context.Context, f func(sqlstore.Conn) error) error {
		return primary.do(func() error { return f(db) })
	}, options.store())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("riverinbox: %w", err), db.Close())
	}
	b := &Inbox{
		options: options, pool: pool, primary: primary, db: db, store: store, queues: make(map[string]*queue), maxListed: maxListed,
		alerter: engine.NewAlerter(context.Background(), options.Policy),
	}
	b.controls = engine.NewControls(records{b})
	b.active.Controls = b.controls
	b.active.Report = func(err error) { b.report("inbox: a query failed; retrying", err) }
	return b, nil
}

// Store returns the idempotency store in the same database. Handlers without a Store of their Options use it.
func (b *Inbox) Store() idempotency.Store { return b.store }

// maxBody is the longest body that can be stored. One jsonb value holds maxJSONB bytes, and base64 makes four bytes of
// three. The remaining 4 MiB or so are for the headers and the rest of the delivery.
const (
	maxJSONB = 1<<28 - 1
	maxBody  = 189 << 20
)

// CheckHandler implements [webhook.Inbox]. It refuses a handler whose bodies may be too long for jsonb. PostgreSQL would
// refuse such a delivery every time.
func (b *Inbox) CheckHandler(vendor, endpoint string, limit int64) error {
	if b.attached {
		return errAttached
	}
	if limit > maxBody {
		return fmt.Errorf("riverinbox: Options.MaxBody (%d) of the handler %s/%s must be at most %d, "+
			"because PostgreSQL's jsonb holds %d bytes and base64 needs a third more", limit, vendor, endpoint, maxBody, maxJSONB)
	}
	return nil
}

// CompleteTx marks the delivery whose callback runs under ctx as completed, inside the callback's own transaction. The
// mark and the callback's writes are committed together. If two processes run the delivery, only one of them can commit.
// Use it instead of River's JobCompleteTx, which both can commit. See sqlstore.Store.CompleteTx for its errors.
func (b *Inbox) CompleteTx(ctx context.Context, tx pgx.Tx) error {
	return b.store.CompleteTx(ctx, execer{tx})
}

// An execer adapts a pgx transaction to the ExecContext of database/sql.
type execer struct{ tx pgx.Tx }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.tx.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// errNoClient is returned by methods that need a client.
var errNoClient = errors.New("riverinbox: the inbox has no client yet: call Use")

// Use gives the inbox the client. The client must have been created from the configuration that was passed to
// [Inbox.Configure], on the same database. Use refuses a server that acknowledges a commit before it is on disk. It also
// refuses a database that lacks a table of River, of the store or of the inbox, or that has River's tables of an older
// version. After Use, Enqueue and Run work. Enqueue works even if the client is never started.
func (b *Inbox) Use(ctx context.Context, client *Client) error {
	switch {
	case client == nil:
		return errors.New("riverinbox: Use needs a client")
	case !b.configured.Load():
		return errors.New("riverinbox: call Configure before Use: River needs its workers before its client")
	}
	var commit, fsync string
	err := b.pool.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync')`).Scan(&commit, &fsync)
	switch {
	case err != nil:
		return fmt.Errorf("riverinbox: Use: %w", err)
	case commit == "off":
		return errors.New("riverinbox: synchronous_commit is off: a delivery would be acknowledged before it is on disk; leave it on for this pool's user")
	case fsync == "off":
		return errors.New("riverinbox: fsync is off: a delivery would be acknowledged before it is on disk")
	}
	if err := b.checkTables(ctx, client); err != nil {
		return err
	}
	if err := b.checkClock(ctx); err != nil {
		return err
	}
	if !b.client.CompareAndSwap(nil, client) {
		return errors.New("riverinbox: Use was called before")
	}
	return nil
}

// Enqueue implements [webhook.Inbox]. It returns once PostgreSQL has committed, or when ctx ends. The error wraps
// [webhook.ErrOtherContent] for a duplicate of a stored job with another body.
func (b *Inbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	client := b.client.Load()
	switch {
	case client == nil:
		return false, errNoClient
	case b.attached:
		return false, errAttached
	}
	a, err := argsOf(d)
	if err != nil {
		return false, err
	}
	var inserted *rivertype.JobInsertResult
	err = b.primary.do(func() error {
		inserted, err = client.Insert(ctx, a, insertOpts(queueOf(d.Vendor, d.Endpoint)))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("riverinbox: enqueue: %w", err)
	}
	if inserted.UniqueSkippedAsDuplicate && otherContent(inserted.Job, d) {
		return true, fmt.Errorf("riverinbox: enqueue: %w", webhook.ErrOtherContent)
	}
	return inserted.UniqueSkippedAsDuplicate, nil
}

// otherContent reports whether the job has another body than d.
func otherContent(job *rivertype.JobRow, d *webhook.Delivery) bool {
	var stored args
	return json.Unmarshal(job.EncodedArgs, &stored) == nil && !stored.Discarded && !bytes.Equal(stored.Body, d.Body)
}

// Close waits for the calls of Policy.OnDeadLetter, and releases what New has started. It waits until the context of
// Shutdown ends, or for Policy.DrainTimeout if Shutdown was not called. The pool and the client stay open. Call Close
// after every Run has returned and the client has been stopped.
func (b *Inbox) Close() error {
	b.mu.RLock()
	until := b.until
	b.mu.RUnlock()
	if until == nil {
		ctx, cancel := context.WithTimeout(context.Background(), b.options.Policy.DrainTimeout)
		defer cancel()
		until = ctx
	}
	b.alerter.Drain(until)
	return b.db.Close()
}
