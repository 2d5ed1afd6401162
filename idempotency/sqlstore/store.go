package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/idempotency"
)

// The defaults of [Options].
const (
	DefaultTable     = "aihooks_idempotency"
	DefaultRetention = 7 * 24 * time.Hour
)

// MaxKey is how long a key may be, in bytes.
const MaxKey = 500

// Options are the options of [New].
type Options struct {
	// Dialect is [PostgreSQL] or [SQLite]. Required.
	Dialect *Dialect

	// Namespace keeps the keys of this service apart from those of others in the same table: 1 to 64 letters, digits,
	// dots, dashes and underscores. All processes of one service use the same. Required.
	Namespace string

	// Table is the name of the table: lower-case letters, digits and underscores, at most 48 of them, behind the name
	// of a schema and a dot where there is one. Defaults to [DefaultTable].
	Table string

	// Retention is for how long a key is remembered: a completed one from its completion, a released one from its
	// release, one that was never given back from the end of its lease. It must be longer than a delivery can come
	// again. Defaults to [DefaultRetention].
	Retention time.Duration

	// Batch has the claims and the completions that come while others are under way share one statement, of up to 128
	// keys, and so one commit. Set it in a process that works on many keys at once, such as a worker of a queue; where few
	// come at once, or most are duplicates, it gains nothing: what comes alone waits for nobody, and a claim that loses
	// costs a statement more. Claims and completions then take one connection each at a time; those that a batch
	// does not settle, and a batch beside one that has taken longer than 100 ms, take more. Batches run under no caller's
	// context, so that what drivers take from one, a trace for instance, is lost, and end once nobody waits for them.
	// With [PostgreSQL] only. Defaults to false: each is a statement of its own, under the caller's context.
	Batch bool
}

// A Store is an [idempotency.Store] in a database. It needs no closing, and has a goroutine only while a batch is
// under way (see [Options].Batch); the database stays the caller's.
type Store struct {
	run       func(ctx context.Context, f func(Conn) error) error
	db        *sql.DB // nil if the store was made by NewOn
	dialect   *Dialect
	sql       statements
	namespace string
	retention time.Duration

	claims, completions *batcher // nil without batches

	// What decides when to purge: the claims that were acquired, and a time since the start.
	start   time.Time
	won     atomic.Uint64
	purgeAt atomic.Int64
}

var _ idempotency.Store = (*Store)(nil)

var (
	namespaceRule = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	tableRule     = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,47}\.)?[a-z_][a-z0-9_]{0,47}$`)
)

// New returns a store in db, which it does not ask anything yet. The error names the option that is missing or wrong.
func New(db *sql.DB, o Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: New needs a database")
	}
	s, err := NewOn(func(ctx context.Context, f func(Conn) error) error { return o.Dialect.runOn(ctx, db, f) }, o)
	if err != nil {
		return nil, err
	}
	s.db = db
	return s, nil
}

// A Conn is what statements are run on: *sql.DB, *sql.Conn and *sql.Tx are.
type Conn interface {
	Execer
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// NewOn returns a store that has run call each of its methods' statements: for an engine that puts the statements of
// many callers into one transaction. run calls the function that it is given, which may have to be called again where
// the transaction is, and returns once what the function did is durable. The error of the function is to be returned,
// wrapped or not; an error of run's own means that nothing was done, or that nobody knows.
func NewOn(run func(ctx context.Context, f func(Conn) error) error, o Options) (*Store, error) {
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	switch {
	case run == nil:
		return nil, errors.New("sqlstore: NewOn needs a function that runs statements")
	case o.Dialect == nil:
		return nil, errors.New("sqlstore: Options.Dialect is required: sqlstore.PostgreSQL or sqlstore.SQLite")
	case !namespaceRule.MatchString(o.Namespace):
		return nil, fmt.Errorf("sqlstore: Options.Namespace must be 1 to 64 letters, digits, dots, dashes and underscores, and is %q", o.Namespace)
	case !tableRule.MatchString(o.Table):
		return nil, fmt.Errorf("sqlstore: Options.Table %s, and is %q", tableRuleText, o.Table)
	case o.Batch && o.Dialect.refused == nil:
		return nil, fmt.Errorf("sqlstore: Options.Batch is for PostgreSQL only, and the dialect is %v", o.Dialect)
	case o.Retention < 0:
		return nil, fmt.Errorf("sqlstore: Options.Retention must not be negative, and is %v", o.Retention)
	}
	s := &Store{
		run:       run,
		dialect:   o.Dialect,
		sql:       o.Dialect.statements.in(o.Table),
		namespace: o.Namespace,
		retention: o.Retention,
		start:     time.Now(),
	}
	if o.Batch {
		s.batch()
	}
	return s, nil
}

const tableRuleText = "must be lower-case letters, digits and underscores, at most 48, optionally behind a schema and a dot"

// The states of a row.
const (
	released = iota
	inFlight
	completed
)

// Claim implements [idempotency.Store]. An error is the database's, or says that lease is not longer than zero, or that
// key is longer than [MaxKey], is not UTF-8 or has a NUL in it.
func (s *Store) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if lease <= 0 {
		return idempotency.Claim{}, errors.New("sqlstore: the lease of a claim must be longer than zero")
	}
	if err := checkKey(key); err != nil {
		return idempotency.Claim{}, err
	}
	claim := idempotency.Claim{State: idempotency.Acquired, Attempt: 1}
	won, err := s.batched(ctx, s.claims, &batchCall{key: key, token: token, lease: lease})
	if err == nil && !won {
		err = s.retry(ctx, func(db Conn) (err error) {
			claim, err = s.claim(ctx, db, key, token, lease)
			return err
		})
	}
	if err != nil {
		return idempotency.Claim{}, s.dialect.failed("claim", err)
	}
	if claim.State == idempotency.Acquired {
		s.purgeNowAndThen(ctx)
	}
	return claim, nil
}

func (s *Store) claim(ctx context.Context, db Conn, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	leased, kept := s.dialect.units(lease), s.dialect.units(s.retention)
	for {
		var attempt int
		won, err := s.row(ctx, db, s.sql.claim, []any{s.namespace, key, token[:], leased, leased + kept}, &attempt)
		if err != nil {
			return idempotency.Claim{}, err
		}
		if won {
			return idempotency.Claim{State: idempotency.Acquired, Attempt: attempt}, nil
		}
		var state int
		var remaining int64
		var by []byte
		taken, err := s.row(ctx, db, s.sql.lookUp, []any{s.namespace, key}, &state, &remaining, &by)
		switch {
		case err != nil:
			return idempotency.Claim{}, err
		case taken && state == completed:
			var completer idempotency.Token
			copy(completer[:], by)
			return idempotency.Claim{State: idempotency.Completed, OtherTag: completer.Tag() != token.Tag()}, nil
		case taken:
			return idempotency.Claim{State: idempotency.InFlight, Remaining: time.Duration(max(0, remaining)) * s.dialect.unit}, nil
		}
		// It became free between the two statements.
	}
}

// row scans the row that query returns, if it does. It reads on to the end, for only there do drivers report
// what went wrong when the statement was committed.
func (s *Store) row(ctx context.Context, db Conn, query string, args []any, dest ...any) (found bool, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }() // it has been read to its end, or there is an error already
	for rows.Next() {
		found = true
		if err := rows.Scan(dest...); err != nil {
			return false, err
		}
	}
	return found, rows.Err()
}

// Complete implements [idempotency.Store]. An error other than [idempotency.ErrLeaseLost] is the database's, or that of
// a key which Claim refuses.
func (s *Store) Complete(ctx context.Context, key string, token idempotency.Token) error {
	if err := checkKey(key); err != nil {
		return err
	}
	done, err := s.batched(ctx, s.completions, &batchCall{key: key, token: token})
	switch {
	case err != nil:
		return s.dialect.failed("complete", err)
	case done:
		return nil
	}
	return s.retry(ctx, func(db Conn) error { return s.complete(ctx, db, key, token) })
}

func (s *Store) complete(ctx context.Context, db Execer, key string, token idempotency.Token) error {
	result, err := db.ExecContext(ctx, s.sql.complete, s.namespace, key, token[:], s.dialect.units(s.retention))
	if err != nil {
		return s.dialect.failed("complete", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return s.dialect.failed("complete", err)
	}
	if n == 0 {
		return idempotency.ErrLeaseLost
	}
	return nil
}

// Release implements [idempotency.Store]. An error is the database's, or that of a key which Claim refuses.
func (s *Store) Release(ctx context.Context, key string, token idempotency.Token) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.retry(ctx, func(db Conn) error {
		_, err := db.ExecContext(ctx, s.sql.release, s.namespace, key, token[:], s.dialect.units(s.retention))
		if err != nil {
			return s.dialect.failed("release", err)
		}
		return nil
	})
}

// Retention implements [idempotency.Store].
func (s *Store) Retention() time.Duration { return s.retention }

// checkKey refuses what one database or the other cannot store as it is.
func checkKey(key string) error {
	switch {
	case len(key) > MaxKey:
		return fmt.Errorf("sqlstore: a key may be %d bytes long, and %.40q… has %d", MaxKey, key, len(key))
	case !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0:
		return fmt.Errorf("sqlstore: a key must be UTF-8 without NUL, and is %.40q", key)
	}
	return nil
}
