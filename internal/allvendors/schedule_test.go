package allvendors_test

import (
	"bytes"
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
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

var update = flag.Bool("update", false, "write testdata/schedule.txt")

// A situation is what one event meets on its way.
type situation struct {
	vendor  allvendors.Vendor
	reading webhooktest.Schedule

	fails int    // how many runs of the callback fail; always, if negative
	down  int    // for how many attempts the receiver is down
	slow  bool   // the callback takes longer than the answer may
	full  bool   // the store has no room
	park  string // "nowhere", "works" or "breaks"
}

func (s situation) String() string {
	fails := fmt.Sprint(s.fails)
	if s.fails < 0 {
		fails = "always"
	}
	return fmt.Sprintf("%-11s %-34s fails=%-6s down=%d slow=%-5t full=%-5t park=%-7s",
		s.vendor.Name, s.reading.Name, fails, s.down, s.slow, s.full, s.park)
}

// An ending is what became of the event.
type ending struct {
	handled, parked int // how often
	answers         []int
	received        bool
	errorLines      int
	abandoned       bool
	disabled        bool // the vendor has switched the endpoint off
}

func (e ending) String() string {
	became := "lost"
	switch {
	case !e.received:
		became = "never received"
	case e.handled > 0:
		became = "handled"
	case e.parked > 0:
		became = "parked"
	case e.abandoned:
		became = "abandoned"
	}
	endpoint := ""
	if e.disabled {
		endpoint = " endpoint-off"
	}
	logged := ""
	if e.errorLines > 0 {
		logged = " logged"
	}
	return fmt.Sprintf("%s%s%s %v", became, logged, endpoint, e.answers)
}

// TestEveryScheduleEndsWell plays the vendors' retry schedules, in each reading, against callbacks that fail, receivers
// that were down, slow callbacks and full stores. What becomes of the event in each case stands in
// testdata/schedule.txt; what must hold in all of them is asserted.
func TestEveryScheduleEndsWell(t *testing.T) {
	var table strings.Builder
	table.WriteString(scheduleLegend)
	for _, s := range situations() {
		var e ending
		synctest.Test(t, func(t *testing.T) { e = s.play(t) })
		fmt.Fprintf(&table, "%s  %s\n", s, e)
		s.judge(t, e)
	}
	const file = "testdata/schedule.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(table.String()), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "what becomes of events has changed; if that is meant, run `make generate`")
}

func situations() []situation {
	var all []situation
	for _, v := range allvendors.All() {
		for _, reading := range v.Schedules {
			for _, fails := range []int{0, 1, 2, 4, -1} {
				for _, down := range []int{0, 1, 3} {
					for _, slow := range []bool{false, true} {
						for _, park := range []string{"nowhere", "works", "breaks"} {
							all = append(all, situation{v, reading, fails, down, slow, false, park})
						}
					}
				}
			}
			for _, park := range []string{"nowhere", "works"} {
				all = append(all, situation{v, reading, 0, 0, false, true, park})
			}
		}
	}
	return all
}

func (s situation) play(t *testing.T) ending {
	var (
		e   ending
		mu  sync.Mutex
		log bytes.Buffer
	)
	o := &webhook.Options{
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{mu: &mu, b: &log}, &slog.HandlerOptions{Level: slog.LevelError})),
		Observer: func(_ context.Context, obs webhook.Observation) {
			mu.Lock()
			defer mu.Unlock()
			e.abandoned = e.abandoned || obs.Outcome == webhook.Dropped
		},
	}
	switch s.park {
	case "works":
		o.DeadLetter = func(context.Context, *webhook.Delivery, error) error {
			mu.Lock()
			defer mu.Unlock()
			e.parked++
			return nil
		}
	case "breaks":
		o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { return errors.New("nowhere to put it") }
	}
	if s.full {
		store, err := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1, Logger: o.Logger})
		require.NoError(t, err)
		_, err = store.Claim(t.Context(), "somebody else's", idempotency.NewToken(), 24*time.Hour)
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
	}), allvendors.Secret).WithSchedule(s.reading)
	e.answers = sender.Deliver(sender.Samples()[0]).Statuses()
	e.received = len(e.answers) > s.down
	last := e.answers[len(e.answers)-1]
	e.disabled = s.vendor.Profile.DisablesEndpoint && len(e.answers) == len(s.reading.Attempts) && s.vendor.Retried(last)
	time.Sleep(time.Hour) // late callbacks end
	require.NoError(t, h.Shutdown(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	e.errorLines = strings.Count(log.String(), "level=ERROR")
	return e
}

// judge states what must hold of every ending.
func (s situation) judge(t *testing.T, e ending) {
	t.Helper()
	require.LessOrEqual(t, e.handled, 1, "%s: the callback succeeded twice", s)
	require.LessOrEqual(t, e.parked, 1, "%s: parked twice", s)
	require.False(t, e.handled > 0 && e.parked > 0, "%s: handled, and parked as well", s)
	if e.received && e.handled == 0 && e.parked == 0 {
		require.Positive(t, e.errorLines, "%s: lost without an Error line", s)
	}
	ran := len(e.answers) - s.down
	if !s.full && e.received && s.fails >= 0 && s.fails < ran && s.park != "works" {
		require.Equal(t, 1, e.handled, "%s: the vendor came often enough", s)
	}
	// Attempts made while we were down are in no count of ours; where no signed time tells of them either, the last
	// attempt is not known for what it is.
	untold := s.down > 0 && s.vendor.Profile.GiveUpAfter == 0
	if !s.full && e.received && s.park == "works" && !untold {
		require.Equal(t, 1, e.handled+e.parked, "%s: with a place to park, what was received is handled or parked", s)
	}
	// The endpoint is lost only to an event that could be neither parked nor, by our own count, abandoned.
	if e.disabled {
		uncounted := s.down > 0 && s.park == "nowhere"
		require.True(t, s.full || s.park == "breaks" || uncounted || !e.received, "%s: the endpoint was switched off", s)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
