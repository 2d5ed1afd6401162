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

// Client is the user's client of River, which must be one on pgx.
type Client = river.Client[pgx.Tx]

// An Inbox stores deliveries as jobs of River.
type Inbox struct {
	options Options
	pool    *pgxpool.Pool
	primary *primary
	db      *sql.DB // the same connections, for the store
	store   *sqlstore.Store

	schema   string // of River's tables, by Configure
	pollOnly bool   // River does not listen, by Configure

	configured atomic.Bool
	skew       atomic.Int64 // by how much the database's clock is ahead, in nanoseconds
	client     atomic.Pointer[Client]

	changing  sync.Mutex // is held while queues are added and removed, which may take a while
	mu        sync.RWMutex
	queues    map[string]*queue // those that Runs have added to the client
	listening bool              // for dead letters
	until     context.Context   // of Shutdown; nil before

	active  engine.Runs
	alerter *engine.Alerter
}

var _ inbox.Inbox = (*Inbox)(nil)

// New returns an inbox in the database of pool, which stays the caller's and is not asked anything yet. The error names
// the option that breaks a rule. Next come [Inbox.Configure], river.NewClient and [Inbox.Use].
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
	return &Inbox{
		options: options, pool: pool, primary: primary, db: db, store: store, queues: make(map[string]*queue),
		alerter: engine.NewAlerter(context.Background(), options.Policy),
	}, nil
}

// Store returns the idempotency store in the same database, which handlers take if they are given no other.
func (b *Inbox) Store() idempotency.Store { return b.store }

// maxBody is the longest body that can be stored. PostgreSQL takes maxJSONB bytes of text in one jsonb value, and base64
// makes four bytes of three. What remains, about 4 MiB, is for the headers and the rest of the delivery.
const (
	maxJSONB = 1<<28 - 1
	maxBody  = 189 << 20
)

// CheckHandler implements [webhook.Inbox]. It refuses a handler whose bodies may be too long for jsonb: PostgreSQL would
// refuse such a delivery as often as it is sent.
func (b *Inbox) CheckHandler(vendor, endpoint string, limit int64) error {
	if limit > maxBody {
		return fmt.Errorf("riverinbox: bodies of up to %d bytes can be stored, because PostgreSQL's jsonb takes %d bytes and base64 needs a third more, "+
			"and the handler %s/%s has Options.MaxBody %d; lower MaxBody", maxBody, maxJSONB, vendor, endpoint, limit)
	}
	return nil
}

// CompleteTx marks the delivery whose callback runs under ctx as done, inside the callback's own transaction: the mark
// and what the callback wrote are committed together, by exactly one of those who may run the delivery. It takes the place
// of River's JobCompleteTx, which two of them can both commit. See sqlstore.Store.CompleteTx for its errors.
func (b *Inbox) CompleteTx(ctx context.Context, tx pgx.Tx) error {
	return b.store.CompleteTx(ctx, execer{tx})
}

// An execer is a transaction of pgx as database/sql has them.
type execer struct{ tx pgx.Tx }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.tx.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// errNoClient is that of what needs a client.
var errNoClient = errors.New("riverinbox: the inbox has no client yet: call Use")

// Use gives the inbox the client that was made with the configuration that [Inbox.Configure] was given, on the same
// database. It refuses a server that acknowledges before it has written to disk, and a database that lacks a table of
// River's or the idempotency store's, or has River's tables of an older version. From then on Enqueue and Run work;
// Enqueue also where the client is never started.
func (b *Inbox) Use(ctx context.Context, client *Client) error {
	switch {
	case client == nil:
		return errors.New("riverinbox: Use needs a client")
	case !b.configured.Load():
		return errors.New("riverinbox: Use before Configure: River wants its workers before its client")
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
// [webhook.ErrOtherContent] for a duplicate of a job that is still there and has another body.
func (b *Inbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	client := b.client.Load()
	if client == nil {
		return false, errNoClient
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

// otherContent reports whether the job is that of a delivery with another body.
func otherContent(job *rivertype.JobRow, d *webhook.Delivery) bool {
	var there args
	return json.Unmarshal(job.EncodedArgs, &there) == nil && !there.Discarded && !bytes.Equal(there.Body, d.Body)
}

// Close waits for the calls of Policy.OnDeadLetter, until the context of Shutdown ends, or otherwise for Policy.DrainTimeout, and
// ends what New has started. The pool and the client stay open: every Run has returned by then, and the client has been
// stopped.
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
