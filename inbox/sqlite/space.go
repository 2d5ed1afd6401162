package sqliteinbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A space decides whether the inbox has space for new deliveries. Its count is the last count of the file, plus the
// changes by this process since. The next count includes the changes by other processes.
type space struct {
	pending    atomic.Int64
	countedAt  atomic.Int64 // Unix milliseconds
	deferred   atomic.Int64 // at most MaxPending
	deferredAt atomic.Int64
	free       atomic.Int64
	measuredAt atomic.Int64
}

// How old a count may be: countEvery while there is space, and countAgain when the inbox is full.
const (
	countEvery = 10 * time.Second
	countAgain = 250 * time.Millisecond
	lookEvery  = 100 * time.Millisecond
)

const (
	countPending  = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox WHERE state IN (0, 1, 6) LIMIT ?1)`
	countDeferred = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_deferred WHERE state = 2 LIMIT ?1)`
	hasDeferred   = `SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_deferred WHERE state = 2 AND handler = ?1 AND type = ?2 LIMIT 1`
)

func (s *space) open(b *Inbox) error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	s.measure(b)
	return s.count(ctx, b)
}

func (s *space) add(n int64) { s.pending.Add(n) }

// check returns an error that wraps [webhook.ErrInboxFull] if the inbox must not store new deliveries.
func (s *space) check(ctx context.Context, b *Inbox) error {
	limit := int64(b.options.MaxPending)
	if s.pending.Load() >= limit && due(&s.countedAt, countAgain) {
		if err := s.count(ctx, b); err != nil {
			return err
		}
	}
	if n := s.pending.Load(); n >= limit {
		return fmt.Errorf("sqliteinbox: %d deliveries are pending or running, and Options.MaxPending is %d: %w", n, limit, webhook.ErrInboxFull)
	}
	if b.options.MinFree > 0 && due(&s.measuredAt, lookEvery) {
		s.measure(b)
	}
	if s.lacksDisk(b) {
		return fmt.Errorf("sqliteinbox: the disk has %d bytes free, and Options.MinFree is %d: %w", s.free.Load(), b.options.MinFree, webhook.ErrInboxFull)
	}
	return nil
}

// checkType returns an error that wraps [webhook.ErrInboxFull] if MaxPending deliveries are deferred, and some of them
// have this type. Other types are not refused.
func (s *space) checkType(ctx context.Context, b *Inbox, handler, eventType string) error {
	limit := int64(b.options.MaxPending)
	if due(&s.deferredAt, countEvery) {
		var n int64
		if err := b.reads.QueryRowContext(ctx, countDeferred, limit).Scan(&n); err != nil {
			return fmt.Errorf("sqliteinbox: %w", err)
		}
		s.deferred.Store(n)
	}
	if s.deferred.Load() < limit {
		return nil
	}
	found, err := b.has(ctx, hasDeferred, handler, eventType)
	if err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	if found {
		return fmt.Errorf("sqliteinbox: %d deliveries are deferred, some of them of type %.80q, which has no callback; Options.MaxPending is %d: %w",
			s.deferred.Load(), eventType, limit, webhook.ErrInboxFull)
	}
	return nil
}

// countDeferredAgain makes the next checkType count the deferred deliveries.
func (s *space) countDeferredAgain() { s.deferredAt.Store(0) }

// lacksDisk reports whether the disk had too little free space at the last measurement.
func (s *space) lacksDisk(b *Inbox) bool {
	return b.options.MinFree > 0 && s.free.Load() < b.options.MinFree
}

// measure reads the free space of the disk. If it is unknown, it counts as enough.
func (s *space) measure(b *Inbox) {
	free, known := freeBytes(b.path)
	if !known {
		free = b.options.MinFree
	}
	s.free.Store(free)
}

// count counts the deliveries that are pending or running, up to MaxPending + 1.
func (s *space) count(ctx context.Context, b *Inbox) error {
	var n int64
	if err := b.reads.QueryRowContext(ctx, countPending, b.options.MaxPending+1).Scan(&n); err != nil {
		return fmt.Errorf("sqliteinbox: %w", err)
	}
	s.pending.Store(n)
	s.countedAt.Store(time.Now().UnixMilli())
	return nil
}

// recount counts if the last count is older than countEvery.
func (s *space) recount(ctx context.Context, b *Inbox) error {
	if !due(&s.countedAt, countEvery) {
		return nil
	}
	return s.count(ctx, b)
}

// due reports whether at least d has passed since the time in at. Then it sets at to now. Of several concurrent callers,
// one gets true.
func due(at *atomic.Int64, d time.Duration) bool {
	last, now := at.Load(), time.Now().UnixMilli()
	return (now-last >= d.Milliseconds() || now < last) && at.CompareAndSwap(last, now)
}
