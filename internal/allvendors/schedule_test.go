package allvendors_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

var update = flag.Bool("update", false, "write testdata/schedule.txt")

// A situation is what goes wrong for one event.
type situation struct {
	vendor  *vendortest.Kit
	reading webhooktest.Schedule

	fails int    // number of runs that fail; negative means all
	down  int    // number of attempts for which the receiver is down
	slow  bool   // the callback takes longer than the response may
	full  bool   // the store has no capacity
	save  string // Options.DeadLetter: "nowhere", "works" or "breaks"
}

func (s situation) String() string {
	fails := fmt.Sprint(s.fails)
	if s.fails < 0 {
		fails = "always"
	}
	return fmt.Sprintf("%-11s %-34s fails=%-6s down=%d slow=%-5t full=%-5t save=%-7s",
		s.vendor.Name(), s.reading.Name, fails, s.down, s.slow, s.full, s.save)
}

// An ending is the outcome of the event.
type ending struct {
	handled, deadLettered int // how often
	statuses              []int
	received              bool
	errorLines            int
	dropped               bool
	disabled              bool // the vendor has disabled the endpoint
}

func (e ending) String() string {
	outcome := "lost"
	switch {
	case !e.received:
		outcome = "never received"
	case e.handled > 0:
		outcome = "handled"
	case e.deadLettered > 0:
		outcome = "dead-lettered"
	case e.dropped:
		outcome = "dropped"
	}
	endpoint := ""
	if e.disabled {
		endpoint = " endpoint-off"
	}
	logged := ""
	if e.errorLines > 0 {
		logged = " logged"
	}
	return fmt.Sprintf("%s%s%s %v", outcome, logged, endpoint, e.statuses)
}

// The test runs the vendors' retry schedules, in each reading, with failing callbacks, receivers that were down, slow
// callbacks and full stores. It compares the outcome of each event with testdata/schedule.txt, and checks what must hold for
// all of them.
func TestSchedule_MatchesRecordedOutcomes(t *testing.T) {
	var table strings.Builder
	table.WriteString(scheduleLegend)
	for _, s := range situations() {
		var e ending
		synctest.Test(t, func(t *testing.T) { e = s.run(t) })
		fmt.Fprintf(&table, "%s  %s\n", s, e)
		s.check(t, e)
	}
	const file = "testdata/schedule.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(table.String()), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "the outcomes of events have changed; if that is intended, run `make generate`")
}

func situations() []situation {
	var all []situation
	for _, v := range vendortest.All() {
		for _, reading := range v.Schedules {
			for _, fails := range []int{0, 1, 2, 4, -1} {
				for _, down := range []int{0, 1, 3} {
					for _, slow := range []bool{false, true} {
						for _, save := range []string{"nowhere", "works", "breaks"} {
							all = append(all, situation{v, reading, fails, down, slow, false, save})
						}
					}
				}
			}
			for _, save := range []string{"nowhere", "works"} {
				all = append(all, situation{v, reading, 0, 0, false, true, save})
			}
		}
	}
	return all
}

func (s situation) run(t *testing.T) ending {
	var (
		e   ending
		mu  sync.Mutex
		log logtest.LogBuffer
	)
	o := &webhook.Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
		Observer: func(_ context.Context, obs webhook.Observation) {
			mu.Lock()
			defer mu.Unlock()
			e.dropped = e.dropped || obs.Outcome == webhook.Dropped
		},
	}
	switch s.save {
	case "works":
		o.DeadLetter = func(context.Context, *webhook.Delivery, error) error {
			mu.Lock()
			defer mu.Unlock()
			e.deadLettered++
			return nil
		}
	case "breaks":
		o.DeadLetter = func(context.Context, *webhook.Delivery, error) error {
			return errors.New("the dead letter cannot be saved")
		}
	}
	if s.full {
		store, err := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1, Logger: o.Logger})
		require.NoError(t, err)
		_, err = store.Claim(t.Context(), "another key", idempotency.NewToken(), 24*time.Hour)
		require.NoError(t, err)
		o.Store = store
	}
	h, err := s.vendor.New(o)
	require.NoError(t, err)
	runs := 0
	h.OnUnhandled(func(context.Context, *webhook.Delivery) error {
		if s.slow {
			time.Sleep(s.vendor.Profile.RespondWithin)
		}
		mu.Lock()
		defer mu.Unlock()
		if runs++; s.fails < 0 || runs <= s.fails {
			return errors.New("not yet")
		}
		e.handled++
		return nil
	})

	attempts := 0
	sender := s.vendor.NewSender(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts <= s.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		h.ServeHTTP(w, r)
	}), vendortest.Secret).WithSchedule(s.reading)
	e.statuses = sender.Deliver(sender.Samples()[0]).Statuses()
	e.received = len(e.statuses) > s.down
	last := e.statuses[len(e.statuses)-1]
	e.disabled = s.vendor.Profile.DisablesEndpoint && len(e.statuses) == len(s.reading.Attempts) && s.vendor.Retried(last)
	time.Sleep(time.Hour) // until late callbacks have ended
	require.NoError(t, h.Shutdown(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	e.errorLines = log.Count("level=ERROR")
	return e
}

// check checks what must hold for every ending.
func (s situation) check(t *testing.T, e ending) {
	t.Helper()
	require.LessOrEqual(t, e.handled, 1, "%s: the callback succeeded twice", s)
	require.LessOrEqual(t, e.deadLettered, 1, "%s: dead-lettered twice", s)
	require.False(t, e.handled > 0 && e.deadLettered > 0, "%s: handled and dead-lettered", s)
	if e.received && e.handled == 0 && e.deadLettered == 0 {
		require.Positive(t, e.errorLines, "%s: lost without an Error line", s)
	}
	ran := len(e.statuses) - s.down
	if !s.full && e.received && s.fails >= 0 && s.fails < ran && s.save != "works" {
		require.Equal(t, 1, e.handled, "%s: the vendor made enough attempts", s)
	}
	// Attempts made while the receiver was down are not counted. Without a signed time, the handler cannot detect the last
	// attempt then.
	undetected := s.down > 0 && s.vendor.Profile.GiveUpAfter == 0
	if !s.full && e.received && s.save == "works" && !undetected {
		require.Equal(t, 1, e.handled+e.deadLettered, "%s: with a DeadLetter, a received event must be handled or dead-lettered", s)
	}
	// The vendor may disable the endpoint only if the event could be neither dead-lettered nor, by our count, dropped.
	if e.disabled {
		uncounted := s.down > 0 && s.save == "nowhere"
		require.True(t, s.full || s.save == "breaks" || uncounted || !e.received, "%s: the endpoint was disabled", s)
	}
}
