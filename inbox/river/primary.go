package riverinbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A primary keeps a pool connected to the server that accepts writes. After a failover, a pool keeps its connections to
// the old primary for up to an hour, and every write on them fails.
type primary struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	reset time.Time // when the connections were last closed
}

// The pool's connections are closed at most once per resetPause, because new ones may reach the same server. A Run calls
// check every primaryCheck, because River's own statements do not report their errors here.
const (
	resetPause   = time.Second
	primaryCheck = 5 * time.Second
)

// do calls f. If the server refuses writes, it calls f again on new connections: the first call has changed nothing.
func (p *primary) do(f func() error) error {
	err := f()
	if !isReadOnly(err) {
		return err
	}
	p.resetPool()
	return f()
}

// check queries every idle connection, because connections from before and after a failover may be mixed. It resets the
// pool if a server refuses writes. A connection that does not respond before ctx ends is closed. The error is that of the
// queries.
func (p *primary) check(ctx context.Context) error {
	idle := p.pool.AcquireAllIdle(ctx)
	errs, readOnly := make([]error, len(idle)), make([]bool, len(idle))
	var checks sync.WaitGroup
	for i, conn := range idle {
		checks.Go(func() {
			defer conn.Release()
			errs[i] = conn.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::bool`).Scan(&readOnly[i])
		})
	}
	checks.Wait()
	if slices.Contains(readOnly, true) {
		p.resetPool()
	}
	return errors.Join(errs...)
}

// resetPool closes the pool's idle connections now, and the others once they are released.
func (p *primary) resetPool() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.reset) >= resetPause {
		p.reset = now
		p.pool.Reset()
	}
}

// isReadOnly reports whether a server refused a write. A standby returns the same code.
func isReadOnly(err error) bool {
	const readOnlySQLTransaction = "25006"
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == readOnlySQLTransaction
}
