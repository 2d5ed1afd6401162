//go:build unix

package riverinbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// crashLease is longer than callbacks take in the crash test, and not longer than the test needs.
const crashLease = 4 * time.Second

func TestCrash_LosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	n, kills, rate, minute := 200, 4, 50, 250*time.Millisecond
	if kit.Full() {
		n, kills, rate, minute = 12_000, 48, 100, 250*time.Millisecond
	}
	server := pgtest.New(t)
	db := newTestDatabase(t, server.Database(t))
	fleet := crashtest.NewFleet(t, 3, receiver(db.pool.Config().ConnString(), crashLease))
	sender := &crashtest.Sender{Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: minute, Rate: rate}
	disrupted := make(chan error, 1)
	go func() { disrupted <- disruptServer(server, kills/4+1, sender.Progress) }()
	sender.SendDuring(func() { fleet.KillReceivers(kills, sender.Progress) })
	require.NoError(t, <-disrupted)
	db.drained()
	fleet.End()
	db.check(sender, fleet)
}

// disruptServer alternately kills the server and pauses it, spread evenly over the progress.
func disruptServer(server *pgtest.Server, times int, progress func() float64) error {
	for i := range times {
		for progress() < (float64(i)+0.7)/(float64(times)+0.4) {
			time.Sleep(5 * time.Millisecond)
		}
		if i%2 == 0 {
			if err := server.Crash(); err != nil {
				return err
			}
			if err := server.Start(); err != nil {
				return err
			}
			continue
		}
		if err := server.Pause(); err != nil {
			return err
		}
		time.Sleep(1500 * time.Millisecond)
		if err := server.Resume(); err != nil {
			return err
		}
	}
	return nil
}

func TestDeploy_RespondsOnly200(t *testing.T) { //nolint:paralleltest // every response must be in time
	n, deploys, rate := 160, 2, 50
	if kit.Full() {
		n, deploys, rate = 4000, 15, 100
	}
	db := newTestDatabase(t, pgtest.Shared(t).Database(t))
	fleet := crashtest.NewFleet(t, 3, receiver(db.pool.Config().ConnString(), time.Minute))
	sender := &crashtest.Sender{
		Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: 100 * time.Millisecond, Rate: rate, ExpectContinue: true,
		Timeout: kit.Patience,
	}
	sender.SendDuring(func() { fleet.Deploy(deploys, sender.Progress) })
	db.drained()
	fleet.End()
	sender.RequireOnly200(t)
	require.Zero(t, db.count(`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`), "each process must give back unfinished deliveries")
	db.check(sender, fleet)
}
