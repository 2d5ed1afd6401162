package sqlstore

import (
	"context"
	"errors"
	"time"
)

// These constants define how claims purge. While there are expired rows, claims delete them twice as fast as they add keys,
// in batches too small to cause a delay.
const (
	PurgeEvery = 32          // acquired claims between two batches
	PurgeBatch = 64          // maximum of rows in a batch
	PurgePause = time.Second // pause after a batch that was not full
)

// purgeTimeout bounds how long a purge delays a claim.
const purgeTimeout = 250 * time.Millisecond

// Purge deletes up to limit expired rows in one transaction, the oldest first, in all namespaces. It returns how many it
// deleted. Fewer than limit means that there are no more. A claim of an expired key does not need Purge. Claims also
// purge, see the package documentation. Purge returns an error if limit is not positive.
func (s *Store) Purge(ctx context.Context, limit int) (n int, err error) {
	if limit <= 0 {
		return 0, errors.New("sqlstore: Purge: the limit must be positive")
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

// purgeNowAndThen is called for each acquired claim. If it fails, a later call purges the rows.
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
