//go:build unix

package sqliteinbox_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestCrash_LosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	n, kills, rate, minute := 300, 6, 100, 250*time.Millisecond
	if kit.Full() {
		n, kills, rate, minute = 24_000, 60, 250, 250*time.Millisecond
	}
	path := filepath.Join(t.TempDir(), "inbox.db")
	fleet := crashtest.NewFleet(t, 1, receiver(path, time.Second))
	sender := &crashtest.Sender{Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: minute, Rate: rate}
	sender.SendDuring(func() { fleet.KillReceivers(kills, sender.Progress) })
	stats := drained(t, path)
	fleet.End()
	checkFile(t, path, stats, sender, fleet)
}
