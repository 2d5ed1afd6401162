//go:build unix

package riverinbox_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/crashtest"
	"github.com/aihooks/aihooks-go/internal/pgtest"
)

func full() bool { return os.Getenv("AIHOOKS_TEST_LONG") != "" }

// tortureLease is longer than callbacks may take there, and no longer than the test needs.
const tortureLease = 4 * time.Second

func TestThreeReceiversKilledAtAnyMomentOnAServerThatIsKilledAndPausedLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	n, kills, rate, minute := 200, 4, 50, 250*time.Millisecond
	if full() {
		n, kills, rate, minute = 12_000, 48, 100, 250*time.Millisecond
	}
	server := pgtest.New(t)
	station := newStation(t, server.Database(t))
	fleet := crashtest.NewFleet(t, 3, receiver(station.pool.Config().ConnString(), tortureLease))
	sender := &crashtest.Sender{Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: minute, Rate: rate}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sender.Send()
	}()
	tormented := make(chan error, 1)
	go func() { tormented <- torment(server, kills/4+1, sender.Progress) }()
	fleet.KillReceivers(kills, sender.Progress)
	require.NoError(t, <-tormented)
	<-sent
	station.drained()
	fleet.End()
	station.check(sender, fleet)
}

// torment kills the server, or has it stand still for a while, in turn, as often as that, evenly over the progress.
func torment(server *pgtest.Server, times int, progress func() float64) error {
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

func TestDeploysWithThreeReceiversAnswerNothingBut200(t *testing.T) { //nolint:paralleltest // every answer must be in time
	n, deploys, rate := 160, 2, 50
	if full() {
		n, deploys, rate = 4000, 15, 100
	}
	station := newStation(t, postgres(t).Database(t))
	fleet := crashtest.NewFleet(t, 3, receiver(station.pool.Config().ConnString(), time.Minute))
	sender := &crashtest.Sender{
		Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: 100 * time.Millisecond, Rate: rate, ExpectContinue: true,
		Timeout: patience,
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sender.Send()
	}()
	fleet.Deploy(deploys, sender.Progress)
	<-sent
	station.drained()
	fleet.End()
	for answer, times := range sender.Responses() {
		require.Equal(t, "200", answer, "%d times", times)
	}
	require.Zero(t, station.count(`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`), "each process gives back what it has not finished")
	station.check(sender, fleet)
}
