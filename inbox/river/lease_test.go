//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"sync/atomic"
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

// A callback that takes longer than two leases runs once, in one attempt. River does not call it stuck.
func TestLease_RenewsDuringLongCallback(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	log := new(logtest.LogBuffer)
	options := fastRetry(1)
	options.Lease = 12 * time.Second // a busy machine renews it in time
	config := river.Config{JobTimeout: time.Second, Logger: log.Text()}
	first := open(t, setup{dsn: dsn, options: options, config: config})
	second := open(t, setup{dsn: dsn, options: options, config: config})
	resignOften(t, first)
	resignOften(t, second)
	release := make(chan struct{})
	callback := func(context.Context, *webhook.Delivery) error {
		<-release
		return nil
	}
	one, two := newTestHandler(t, first.box, callback), newTestHandler(t, second.box, callback)
	inboxkit.Run(t, first.box, one.hook)
	inboxkit.Run(t, second.box, two.hook)
	one.send("a")
	kit.Eventually(t, func() bool {
		return query[bool](t, first.pool, `SELECT coalesce(max(attempted_at) - max(created_at) > interval '24 seconds', false) FROM river_job`)
	})
	close(release)
	kit.Eventually(t, func() bool {
		return query[string](t, first.pool, `SELECT state::text FROM river_job`) == "completed"
	})
	require.Equal(t, 1, one.calls("a")+two.calls("a"))
	require.Equal(t, 1, query[int](t, first.pool, `SELECT attempt FROM river_job`))
	require.Zero(t, query[int](t, first.pool, `SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`))
	require.Zero(t, log.Count("appears to be stuck"), log)
}

// A job that was rescued must not keep the only slot of its endpoint: no other process may be there to run it. The late
// result must not end the attempt that begins next.
func TestLease_LossFreesSlot(t *testing.T) {
	t.Parallel()
	log := new(logtest.LogBuffer)
	options := fastRetry(5)
	options.Lease = 4 * time.Second // a busy machine renews it in time
	options.Policy.Logger = log.Text()
	options.Policy.Limits = map[string]int{"convosphere": 1}
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: options, config: river.Config{JobTimeout: time.Second}})
	const running = `SELECT count(*) FROM river_job WHERE state = 'running'`
	began, release, ran := make(chan struct{}), make(chan struct{}), make(chan int, 2)
	var calls atomic.Int64
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error {
		if calls.Add(1) == 1 {
			close(began)
			<-release
			time.Sleep(options.Lease) // it ends, because it cannot be renewed
			return errors.New("late")
		}
		time.Sleep(time.Second) // River stores results after up to 250 ms
		ran <- query[int](t, instance.pool, running)
		return nil
	})
	handler.send("a")
	inboxkit.Run(t, instance.box, handler.hook)
	<-began
	_, err := instance.pool.Exec(t.Context(), `UPDATE river_job SET state = 'available'`) // as River's rescuer does
	require.NoError(t, err)
	close(release)
	kit.Eventually(t, func() bool {
		return query[string](t, instance.pool, `SELECT state::text FROM river_job`) == "completed"
	})
	require.EqualValues(t, 2, calls.Load())
	require.Equal(t, 1, <-ran)
	require.Equal(t, 1, log.Count("another process takes it over"), log)
}
