package jetstream_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A scale is the size of a test.
type scale struct {
	n, faults, rate int
	minute          time.Duration
}

func TestCrash_LosesAndRepeatsNothing(t *testing.T) {
	s := scale{n: 240, faults: 4, rate: 60, minute: 250 * time.Millisecond}
	if kit.Full() {
		s = scale{n: 12_000, faults: 40, rate: 100, minute: 500 * time.Millisecond}
	}
	nats := newServerProcess(t)
	file := filepath.Join(t.TempDir(), "store.db")
	fleet := crashtest.NewFleet(t, 3, receiver(nats.url(), file, time.Second))
	sender := &crashtest.Sender{Deliveries: crashtest.Deliveries(s.n), Fleet: fleet, Minute: s.minute, Rate: s.rate}
	disrupted := make(chan struct{})
	servers := 0
	go func() {
		defer close(disrupted)
		for k := 1; k <= s.faults; k++ {
			for sender.Progress() < (float64(k)-0.5)/float64(s.faults+1) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(rand.N(50 * time.Millisecond))
			if k%2 == 1 {
				nats.kill()
				nats.start()
				servers++
			} else {
				nats.pause(1500 * time.Millisecond) // longer than a lease
			}
		}
	}()
	sender.SendDuring(func() { fleet.KillReceivers(s.faults, sender.Progress) })
	<-disrupted
	js := drained(t, nats.url())
	fleet.End()
	check(t, js, file, sender, fleet)
	t.Logf("the server killed %d times and paused %d times", servers, s.faults-servers)
}

func TestDeploy_RespondsOnly200(t *testing.T) {
	s := scale{n: 200, faults: 2, rate: 60, minute: 100 * time.Millisecond}
	if kit.Full() {
		s = scale{n: 5000, faults: 12, rate: 150, minute: 100 * time.Millisecond}
	}
	nats := newServerProcess(t)
	file := filepath.Join(t.TempDir(), "store.db")
	fleet := crashtest.NewFleet(t, 1, receiver(nats.url(), file, jetstreaminbox.DefaultLease))
	sender := &crashtest.Sender{
		Deliveries: crashtest.Deliveries(s.n), Fleet: fleet, Minute: s.minute, Rate: s.rate, ExpectContinue: true,
		Timeout: kit.Patience,
	}
	sender.SendDuring(func() { fleet.Deploy(s.faults, sender.Progress) })
	js := drained(t, nats.url())
	fleet.End()
	sender.RequireOnly200(t)
	check(t, js, file, sender, fleet)
}

// drained waits until no delivery is left to run.
func drained(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	js := dial(t, url)
	for deadline := time.Now().Add(2 * time.Minute); !empty(t, js); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.Fail(t, "some deliveries do not finish", left(t, js))
		}
	}
	return js
}

// left describes the remaining deliveries, and the state of the consumers.
func left(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var text strings.Builder
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	for c := range s.ListConsumers(t.Context()).Info() {
		fmt.Fprintf(&text, "%s: delivered %+v, floor %+v, %d pending, %d unacknowledged, %d redelivered, %d waiting\n",
			c.Name, c.Delivered, c.AckFloor, c.NumPending, c.NumAckPending, c.NumRedelivered, c.NumWaiting)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	require.NoError(t, err)
	fmt.Fprintf(&text, "%+v\n", info.State)
	for seq, n := info.State.FirstSeq, 0; seq <= info.State.LastSeq && n < 20; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			continue
		}
		n++
		fmt.Fprintf(&text, "%d %s %v", seq, m.Subject, m.Time)
		if deferred, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEFERRED"); err == nil {
			if record, err := deferred.GetLastMsgForSubject(t.Context(), fmt.Sprintf("AIHOOKS.attempts.%d-%d", seq, m.Time.UnixNano())); err == nil {
				fmt.Fprintf(&text, " %.300s", record.Data)
			}
		}
		text.WriteString("\n")
	}
	return text.String()
}

// check checks the invariants of a drained inbox.
func check(t *testing.T, js jetstream.JetStream, file string, sender *crashtest.Sender, fleet *crashtest.Fleet) {
	t.Helper()
	db, _, err := openFile(t.Context(), file)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT name, count(*) FROM effects GROUP BY name`)
	require.NoError(t, err)
	defer rows.Close()
	effects := make(map[string]int)
	for rows.Next() {
		var name string
		var n int
		require.NoError(t, rows.Scan(&name, &n))
		effects[name] = n
	}
	require.NoError(t, rows.Err())
	crashtest.Invariants{Deliveries: sender.Deliveries, EventLog: fleet.EventLog, Effects: effects}.Check(t)
	require.Zero(t, messages(t, js, jetstreaminbox.DefaultName+"_DEADLETTERS"))
	t.Logf("%v\n%v", sender, fleet)
}
