//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// skewed returns the DSN of a new database. Connections with this DSN see a clock that is ahead.
func skewed(t *testing.T, ahead time.Duration) string {
	t.Helper()
	dsn := pgtest.Shared(t).Database(t)
	pool := poolOf(t, dsn)
	defer pool.Close()
	_, err := pool.Exec(t.Context(), `CREATE SCHEMA skewed`)
	require.NoError(t, err)
	for _, name := range []string{"now", "clock_timestamp"} {
		_, err := pool.Exec(t.Context(), fmt.Sprintf(
			`CREATE FUNCTION skewed.%[1]s() RETURNS timestamptz LANGUAGE sql AS $$SELECT pg_catalog.%[1]s() + interval '%[2]d milliseconds'$$`,
			name, ahead.Milliseconds()))
		require.NoError(t, err)
	}
	return dsn + "&search_path=" + url.QueryEscape("skewed,pg_catalog")
}

var skews = map[string]time.Duration{
	"database an hour ahead": time.Hour, "database ten seconds ahead": 10 * time.Second,
	"process three minutes ahead": -3 * time.Minute, "process an hour ahead": -time.Hour,
}

func TestClock_RestsAreTheDatabases(t *testing.T) {
	t.Parallel()
	for name, skew := range skews {
		for _, long := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", long ", long), func(t *testing.T) {
				t.Parallel()
				options := fastRetry(25)
				log := new(logtest.LogBuffer)
				options.Policy.Logger = log.Text()
				options.Policy.Backoff = func(int) time.Duration {
					if long {
						return 2 * time.Hour
					}
					return 400 * time.Millisecond
				}
				instance := open(t, setup{dsn: skewed(t, skew), options: options})
				require.Equal(t, 1, log.Count("level=WARN", "clocks of this process and of the database differ", "database_ahead="), log)
				times := make(chan time.Time, 100)
				handler := newTestHandler(t, instance.box, func(_ context.Context, d *webhook.Delivery) error {
					times <- time.Now()
					if d.ID == "succeeds" || len(times) > 3 {
						return nil
					}
					return errors.New("no")
				})
				began := time.Now()
				handler.send("a")
				inboxkit.Run(t, instance.box, handler.hook)
				if long {
					kit.Eventually(t, func() bool {
						return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "retryable"
					})
					for range 3 { // moveDue has run
						moved := time.Now()
						handler.send(fmt.Sprint("marker ", moved.UnixNano()))
						time.Sleep(time.Until(moved.Add(700 * time.Millisecond))) // nothing must happen, so there is no event to wait for
					}
					require.Equal(t, 1, handler.calls("a"))
					delay := query[float64](t, instance.pool, `SELECT extract(epoch FROM scheduled_at - now())::float8 FROM river_job WHERE args->>'id' = 'a'`)
					require.InDelta(t, 2*3600, delay, kit.Patience.Seconds())
					return
				}
				kit.Eventually(t, func() bool {
					return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "completed"
				})
				require.Less(t, time.Since(began), time.Minute, "three delays of 400 ms")
				require.Equal(t, 4, handler.calls("a"))
				last := <-times
				for range 3 {
					next := <-times
					require.GreaterOrEqual(t, next.Sub(last), 390*time.Millisecond)
					last = next
				}
			})
		}
	}
}

// The rescuer takes the process' clock: all that runs would have been lost long ago.
func TestClock_AheadRescuesNothingThatRuns(t *testing.T) {
	t.Parallel()
	options := fastRetry(1)
	options.Lease = 20 * time.Second // longer than the callback takes
	instance := open(t, setup{dsn: skewed(t, -time.Hour), options: options, config: river.Config{JobTimeout: options.Lease}})
	resignOften(t, instance)
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error {
		time.Sleep(6 * time.Second) // the rescuer looks meanwhile
		return nil
	})
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool {
		return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "completed"
	})
	require.Equal(t, 1, handler.calls("a"))
	require.Zero(t, query[int](t, instance.pool, `SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`))
}

func TestUse_RefusesProcessFarAhead(t *testing.T) {
	t.Parallel()
	for skew, refused := range map[time.Duration]bool{-31 * 24 * time.Hour: true, -time.Hour: false, 31 * 24 * time.Hour: false} {
		pool := poolOf(t, skewed(t, skew))
		t.Cleanup(pool.Close)
		box, client := newConfigured(t, pool)
		require.NoError(t, box.Migrate(t.Context()))
		err := box.Use(t.Context(), client)
		if refused {
			require.ErrorContains(t, err, "744h")
			continue
		}
		require.NoError(t, err)
	}
}
