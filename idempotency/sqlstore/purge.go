package sqlstore

import (
	"context"
	"errors"
	"time"
)

// How a store purges by itself: as often as there is something to purge twice as fast as claims add keys, in batches too
// small to be felt, and otherwise hardly ever.
const (
	PurgeEvery = 32          // claims that were acquired
	PurgeBatch = 64          // rows at the most
	PurgePause = time.Second // after a batch that was not full
)

// purgeTimeout is how long a claim may be held up by a purge, whatever the database is doing.
const purgeTimeout = 250 * time.Millisecond

// Purge deletes up to limit rows whose time is over, the oldest first and in whatever namespace, in one transaction,
// and returns how many there were: fewer than limit once there are no more. A claim of such a key need not wait for it.
// Claims purge by themselves, see the package's documentation.
func (s *Store) Purge(ctx context.Context, limit int) (n int, err error) {
	if limit <= 0 {
		return 0, errors.New("sqlstore: the limit of a purge must be positive")
	}
	err = s.retry(ctx, func(db Conn) error {
		n, err = s.purge(ctx, db, limit)
		return err
	})
	if err != nil {
		return 0, s.dialect.failed("purge", err)
	}
	return n, nil
}

func (s *Store) purge(ctx context.Context, db Conn, limit int) (int, error) {
	result, err := db.ExecContext(ctx, s.sql.purge, limit)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// purgeNowAndThen is called for each claim that was acquired. What it cannot do, a later one will.
func (s *Store) purgeNowAndThen(ctx context.Context) {
	now := int64(time.Since(s.start))
	if s.won.Add(1)%PurgeEvery != 0 || now < s.purgeAt.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	var n int
	err := s.run(ctx, func(db Conn) (err error) {
		n, err = s.purge(ctx, db, PurgeBatch)
		return err
	})
	if err != nil || n < PurgeBatch {
		s.purgeAt.Store(now + int64(PurgePause))
	}
}
