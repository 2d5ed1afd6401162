package riverinbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A primary keeps a pool connected to the server that takes writes. After a failover a pool keeps its connections to
// the server that was the primary, for up to an hour, and every write on them fails.
type primary struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	reset time.Time // when the connections were closed last
}

// The pool's connections are closed at most once in resetPause: new ones may reach the same server. A Run asks every
// primaryCheck, because River's own statements report to River.
const (
	resetPause   = time.Second
	primaryCheck = 5 * time.Second
)

// do calls f, and calls it again on new connections if the server refuses writes, and so has done nothing.
func (p *primary) do(f func() error) error {
	err := f()
	if !isReadOnly(err) {
		return err
	}
	p.leave()
	return f()
}

// check asks on every idle connection, for those that are older than a failover may be mixed with newer ones, and leaves
// a server that refuses writes. An error is that of a statement.
func (p *primary) check(ctx context.Context) error {
	var errs []error
	refused := false
	for _, conn := range p.pool.AcquireAllIdle(ctx) {
		var readOnly bool
		errs = append(errs, conn.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::bool`).Scan(&readOnly))
		refused = refused || readOnly
		conn.Release()
	}
	if refused {
		p.leave()
	}
	return errors.Join(errs...)
}

// leave closes the pool's idle connections now, and the others once they are released.
func (p *primary) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.reset) >= resetPause {
		p.reset = now
		p.pool.Reset()
	}
}

// isReadOnly also reports true for the error of a standby.
func isReadOnly(err error) bool {
	const readOnlySQLTransaction = "25006"
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == readOnlySQLTransaction
}
