//go:build unix

package sqliteinbox_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestDeploy_RespondsOnly200(t *testing.T) {
	n, deploys, rate := 200, 3, 75
	if kit.Full() {
		n, deploys, rate = 6000, 15, 200
	}
	path := filepath.Join(t.TempDir(), "inbox.db")
	fleet := crashtest.NewFleet(t, 1, receiver(path, sqliteinbox.DefaultLease))
	sender := &crashtest.Sender{
		Deliveries: crashtest.Deliveries(n), Fleet: fleet, Minute: 100 * time.Millisecond, Rate: rate, ExpectContinue: true,
		Timeout: kit.Patience,
	}
	sender.SendDuring(func() { fleet.Deploy(deploys, sender.Progress) })
	stats := drained(t, path)
	fleet.End()
	sender.RequireOnly200(t)
	require.NotContains(t, fleet.Log(), "lease", "no delivery changes its process")
	require.Zero(t, openFile(t, path).retaken(), "each process gives back unfinished deliveries")
	checkFile(t, path, stats, sender, fleet)
}
