//go:build unix

package riverinbox_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// crashAttempts is the policy's MaxAttempts: the default in the long test.
func crashAttempts() int {
	if kit.Full() {
		return inbox.DefaultMaxAttempts
	}
	return 4
}

func crashOptions() riverinbox.Options {
	o := fastRetry(crashAttempts())
	o.Lease = time.Second
	return o
}

// runCrashWorker is the main function of a worker process of a crash loop.
func runCrashWorker() error {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(envDSN))
	if err != nil {
		return err
	}
	defer pool.Close()
	o := crashOptions()
	box, err := riverinbox.New(pool, &o)
	if err != nil {
		return err
	}
	rivers := river.Config{JobTimeout: o.Lease, TestOnly: true, Logger: slog.New(slog.DiscardHandler)}
	if err := box.Configure(&rivers); err != nil {
		return err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &rivers)
	if err != nil {
		return err
	}
	if err := box.Use(ctx, client); err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	if err := crashtest.RunWorker(box); err != nil {
		return err
	}
	return client.Stop(ctx)
}

func TestCrashLoop_DeadLettersOnlyPoison(t *testing.T) {
	t.Parallel()
	good := 15
	if kit.Full() {
		good = 40
	}
	crashtest.RunLoops(t, crashAttempts(), map[string]crashtest.CrashLoop{
		"one among many":             {Poison: 1, Good: good},
		"two, and more keeps coming": {Poison: 2, Good: 10, Late: 10},
	}, func(t *testing.T) (inbox.Inbox, func() *exec.Cmd) {
		dsn := pgtest.Shared(t).Database(t)
		instance := open(t, setup{dsn: dsn, options: crashOptions(), config: river.Config{JobTimeout: time.Second}})
		resignOften(t, instance)
		return instance.box, func() *exec.Cmd { return kit.Role("crash", envDSN+"="+dsn) }
	})
}

// resignOften makes River rescue lost jobs every few seconds: a new leader rescues at once. Each leader gets two seconds
// to do so, also on a busy machine. The test's instance does not crash, so it is the leader most of the time.
func resignOften(t *testing.T, s *instance) {
	t.Helper()
	const longEnough = `SELECT count(*) FROM river_leader WHERE elected_at < now() - interval '2 seconds'`
	every, stopped := time.NewTicker(250*time.Millisecond), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stopped:
				return
			case <-every.C: // the next tick retries after an error
				var n int
				if s.pool.QueryRow(context.Background(), longEnough).Scan(&n) == nil && n > 0 {
					_ = s.client.Notify().RequestResign(context.Background())
				}
			}
		}
	}()
	t.Cleanup(func() {
		every.Stop()
		close(stopped)
		<-done
	})
}
