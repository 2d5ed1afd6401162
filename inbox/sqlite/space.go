package sqlite

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A space knows how much more the inbox may take. Its count is that of the file as it was counted last, with what this
// process has done since; other processes' doings are seen at the next counting.
type space struct {
	pending   atomic.Int64
	countedAt atomic.Int64 // Unix milliseconds
	waiting   atomic.Int64 // for a callback, as far as it was counted
	waitingAt atomic.Int64
	free      atomic.Int64
	lookedAt  atomic.Int64
}

// How old a count may be: while there is room, and once there is none.
const (
	countEvery = 10 * time.Second
	countAgain = 250 * time.Millisecond
	lookEvery  = 100 * time.Millisecond
)

const (
	countPending = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox WHERE state IN (0, 1, 6) LIMIT ?1)`
	countWaiting = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_waiting WHERE state = 2 LIMIT ?1)`
	hasWaiting   = `SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_waiting WHERE state = 2 AND hook = ?1 AND type = ?2 LIMIT 1`
)

func (s *space) open(b *Inbox) error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	s.look(b)
	return s.count(ctx, b)
}

func (s *space) add(n int64) { s.pending.Add(n) }

// check returns an error that wraps [webhook.ErrInboxFull] if nothing more may be taken.
func (s *space) check(ctx context.Context, b *Inbox) error {
	limit := int64(b.options.MaxPending)
	if s.pending.Load() >= limit && due(&s.countedAt, countAgain) {
		if err := s.count(ctx, b); err != nil {
			return err
		}
	}
	if n := s.pending.Load(); n >= limit {
		return fmt.Errorf("sqlite: %d deliveries wait for their callback, and Options.MaxPending is %d: %w", n, limit, webhook.ErrInboxFull)
	}
	if b.options.MinFree > 0 && due(&s.lookedAt, lookEvery) {
		s.look(b)
	}
	if s.lacksDisk(b) {
		return fmt.Errorf("sqlite: the disk has %d bytes free, and Options.MinFree is %d: %w", s.free.Load(), b.options.MinFree, webhook.ErrInboxFull)
	}
	return nil
}

// checkType returns an error that wraps [webhook.ErrInboxFull] if deliveries of that type wait for a callback, and as many
// do as MaxPending. Other types are not refused for their sake.
func (s *space) checkType(ctx context.Context, b *Inbox, hook, eventType string) error {
	limit := int64(b.options.MaxPending)
	if due(&s.waitingAt, countEvery) {
		var n int64
		if err := b.reads.QueryRowContext(ctx, countWaiting, limit).Scan(&n); err != nil {
			return fmt.Errorf("sqlite: %w", err)
		}
		s.waiting.Store(n)
	}
	if s.waiting.Load() < limit {
		return nil
	}
	found, err := b.has(ctx, hasWaiting, hook, eventType)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if found {
		return fmt.Errorf("sqlite: %d deliveries wait for a callback for their type, this type %.80q is one of theirs, and Options.MaxPending is %d: %w",
			s.waiting.Load(), eventType, limit, webhook.ErrInboxFull)
	}
	return nil
}

// countWaitingAgain has the next delivery count those that wait for a callback.
func (s *space) countWaitingAgain() { s.waitingAt.Store(0) }

// lacksDisk reports whether the disk, as it was looked at last, has too little free space for new deliveries.
func (s *space) lacksDisk(b *Inbox) bool {
	return b.options.MinFree > 0 && s.free.Load() < b.options.MinFree
}

// look looks how much room the disk has. Where that is not known it is enough.
func (s *space) look(b *Inbox) {
	free, known := freeBytes(b.path)
	if !known {
		free = b.options.MinFree
	}
	s.free.Store(free)
}

// count counts what waits, as far as that matters.
func (s *space) count(ctx context.Context, b *Inbox) error {
	var n int64
	if err := b.reads.QueryRowContext(ctx, countPending, b.options.MaxPending+1).Scan(&n); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	s.pending.Store(n)
	s.countedAt.Store(time.Now().UnixMilli())
	return nil
}

// due reports whether at least d has passed since the time in at, and then sets it to now. Of several that ask at once, one
// is told so.
func due(at *atomic.Int64, d time.Duration) bool {
	last, now := at.Load(), time.Now().UnixMilli()
	return (now-last >= d.Milliseconds() || now < last) && at.CompareAndSwap(last, now)
}
