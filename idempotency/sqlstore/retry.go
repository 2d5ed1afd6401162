package sqlstore

import (
	"context"
	"math/rand/v2"
	"time"
)

// Statements are repeated at growing intervals, for about a second in total. A call to the store may not take longer.
const (
	retries    = 20
	firstPause = time.Millisecond
	lastPause  = 64 * time.Millisecond
)

// retry runs statements, and repeats them while they fail for a temporary reason.
func (s *Store) retry(ctx context.Context, f func(Conn) error) error {
	return s.repeat(ctx, func() error { return s.run(ctx, f) })
}

// repeat calls f, which is one transaction, and repeats it while it fails for a temporary reason.
func (s *Store) repeat(ctx context.Context, f func() error) error {
	err := f()
	for pause, n := firstPause, 0; err != nil && n < retries && s.dialect.passing(err); n++ {
		timer := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // so that colliding calls do not collide again
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause = min(2*pause, lastPause)
		err = f()
	}
	return err
}
