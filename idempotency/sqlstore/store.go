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

// MaxKey is the maximum length of a key in bytes.
const MaxKey = 500

// Options are the options of [New].
type Options struct {
	// Dialect is [PostgreSQL] or [SQLite]. Required.
	Dialect *Dialect

	// Namespace separates the keys of this service from those of other services in the same table. It has 1 to 64
	// letters, digits, dots, dashes and underscores. All processes of one service must use the same. Required.
	Namespace string

	// Table is the name of the table, optionally with a schema and a dot before it. Each name has 1 to 48 lower-case
	// letters, digits and underscores, and does not start with a digit. Defaults to [DefaultTable].
	Table string

	// Retention is how long a key is remembered. It counts from the completion of a completed key, from the release of a
	// released key, and otherwise from the end of the lease. It must be longer than the sender retries. Defaults to
	// [DefaultRetention].
	Retention time.Duration

	// Batch lets concurrent claims share one statement and one commit, and concurrent completions likewise. A batch has up
	// to 128 keys. Set Batch in a process that works on many keys at once, such as a worker of a queue. It requires
	// [PostgreSQL].
	//
	// A single call does not wait for others. With few concurrent calls, or with many duplicates, Batch gains nothing: a
	// claim that does not acquire its key costs an extra statement.
	//
	// Batches of claims use one connection at a time, and so do batches of completions. Calls that a batch does not settle
	// use further connections. So does the next batch if one takes longer than 100 ms.
	//
	// A batch does not run under a caller's context, so drivers do not get its values, such as a trace. A batch is
	// canceled when no caller waits for it.
	//
	// Defaults to false: each call is a separate statement under the caller's context.
	Batch bool
}

// A Store is an [idempotency.Renewer] in a database. It needs no closing, and does not close the database. It has a goroutine
// only while a batch runs (see [Options].Batch).
type Store struct {
	run       func(ctx context.Context, f func(Conn) error) error
	db        *sql.DB // nil if NewOn made the store
	dialect   *Dialect
	sql       statements
	namespace string
	retention time.Duration

	claims, completions *batcher // nil without batches

	// These decide when to purge: the number of acquired claims, and the earliest time, counted from start.
	start   time.Time
	won     atomic.Uint64
	purgeAt atomic.Int64
}

var _ idempotency.Renewer = (*Store)(nil)

var (
	namespaceRule = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	tableRule     = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,47}\.)?[a-z_][a-z0-9_]{0,47}$`)
)

// New returns a store in db. It does not use db yet. The error names the option that is missing or invalid.
func New(db *sql.DB, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: New: the database must not be nil")
	}
	var s *Store // has a copy of the options: the caller may change them afterwards
	s, err := NewOn(func(ctx context.Context, f func(Conn) error) error { return s.dialect.runOn(ctx, db, f) }, o)
	if err != nil {
		return nil, err
	}
	s.db = db
	return s, nil
}

// A Conn runs statements. *sql.DB, *sql.Conn and *sql.Tx implement it.
type Conn interface {
	Execer
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// NewOn returns a store that runs its statements through run. It is for an engine that combines the statements of many
// callers in one transaction.
//
// run must call the given function, and call it again if it repeats the transaction. It must return after the function's
// changes are durable. It must return the function's error, wrapped or not. Any other error of run means that the changes
// were not made, or that the outcome is unknown.
func NewOn(run func(ctx context.Context, f func(Conn) error) error, options *Options) (*Store, error) {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	switch {
	case run == nil:
		return nil, errors.New("sqlstore: NewOn: run must not be nil")
	case o.Dialect == nil:
		return nil, errors.New("sqlstore: Options.Dialect must be sqlstore.PostgreSQL or sqlstore.SQLite")
	case !namespaceRule.MatchString(o.Namespace):
		return nil, fmt.Errorf("sqlstore: Options.Namespace (%q) must be 1 to 64 letters, digits, dots, dashes and underscores", o.Namespace)
	case !tableRule.MatchString(o.Table):
		return nil, fmt.Errorf("sqlstore: Options.Table (%q) %s", o.Table, tableRuleText)
	case o.Batch && o.Dialect.refused == nil:
		return nil, fmt.Errorf("sqlstore: Options.Batch must be false with the dialect %v; only PostgreSQL has batches", o.Dialect)
	case o.Retention < 0:
		return nil, fmt.Errorf("sqlstore: Options.Retention (%v) must not be negative", o.Retention)
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

const tableRuleText = "must be 1 to 48 lower-case letters, digits and underscores, optionally after a schema and a dot"

var errLeaseNotPositive = errors.New("sqlstore: the lease must be longer than zero")

// The states of a row.
const (
	released = iota
	inFlight
	completed
)

// Claim implements [idempotency.Store]. It returns an error if the database does, or if lease is not longer than zero. It
// also returns an error if key is longer than [MaxKey], is not UTF-8 or contains a NUL.
func (s *Store) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if lease <= 0 {
		return idempotency.Claim{}, errLeaseNotPositive
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

// row scans the row that query returns, if any. It reads to the end, because drivers report an error of the commit only
// there.
func (s *Store) row(ctx context.Context, db Conn, query string, args []any, dest ...any) (found bool, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }() // rows was read to its end, or there is already an error
	for rows.Next() {
		found = true
		if err := rows.Scan(dest...); err != nil {
			return false, err
		}
	}
	return found, rows.Err()
}

// Complete implements [idempotency.Store]. Any error other than [idempotency.ErrLeaseLost] is the database's, or means that
// the key is one that Claim refuses.
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
	return s.change(ctx, db, "complete", s.sql.complete, s.namespace, key, token[:], s.dialect.units(s.retention))
}

// Renew implements [idempotency.Renewer]. Any error other than [idempotency.ErrLeaseLost] is the database's, or means that
// lease is not longer than zero, or that the key is one that Claim refuses. Renewals are not batched.
func (s *Store) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	if lease <= 0 {
		return errLeaseNotPositive
	}
	if err := checkKey(key); err != nil {
		return err
	}
	leased := s.dialect.units(lease)
	return s.retry(ctx, func(db Conn) error {
		return s.change(ctx, db, "renew", s.sql.renew, s.namespace, key, token[:], leased, leased+s.dialect.units(s.retention))
	})
}

// change runs a statement that changes the row of a key if the token holds it.
func (s *Store) change(ctx context.Context, db Execer, method, statement string, args ...any) error {
	result, err := db.ExecContext(ctx, statement, args...)
	if err != nil {
		return s.dialect.failed(method, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return s.dialect.failed(method, err)
	}
	if n == 0 {
		return idempotency.ErrLeaseLost
	}
	return nil
}

// Release implements [idempotency.Store]. An error is the database's, or means that the key is one that Claim refuses.
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

// checkKey refuses keys that one of the databases cannot store unchanged.
func checkKey(key string) error {
	switch {
	case len(key) > MaxKey:
		return fmt.Errorf("sqlstore: the key %.40q… (%d bytes) must have at most %d bytes", key, len(key), MaxKey)
	case !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0:
		return fmt.Errorf("sqlstore: the key %.40q must be UTF-8 without NUL", key)
	}
	return nil
}
