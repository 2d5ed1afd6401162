package sqliteinbox

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// refuseAfter is how long the Runs of this process may fail before Enqueue refuses new deliveries, which the vendor then
// keeps. 30 s is our choice: longer than another program may lock the file, and shorter than any vendor's retries.
const refuseAfter = 30 * time.Second

// A health records which activities of the Runs fail, and since when. A process without a Run is healthy, because another
// process may have the Run.
type health struct {
	logger      *slog.Logger
	path        string
	refuseAfter time.Duration

	mu       sync.Mutex
	failures map[activity]failure
	logged   bool
	loggedAt time.Time
}

// An activity is one that a Run repeats: taking deliveries, or looking for due ones.
type activity struct {
	run  *run
	name string
}

const (
	taking  = "taking"
	looking = "looking"
)

type failure struct {
	since time.Time
	err   error // the last one
}

// observe records the result of an activity. It logs when the first activity fails, and when all succeed again.
func (h *health) observe(a activity, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, failed := h.failures[a]
	switch {
	case err != nil:
		if !failed {
			f.since = time.Now()
		}
		f.err = err
		h.failures[a] = f
		if !h.logged && time.Since(h.loggedAt) >= reportEvery {
			h.logged, h.loggedAt = true, time.Now()
			h.logger.Error("inbox: stored deliveries cannot be run; new ones are refused if this continues",
				"path", h.path, "refused_after", h.refuseAfter.String(), "error", err)
		}
	case failed:
		delete(h.failures, a)
		if len(h.failures) == 0 && h.logged {
			h.logged = false
			h.logger.Info("inbox: stored deliveries are run again", "path", h.path)
		}
	}
}

// forget removes activities that have ended.
func (h *health) forget(activities ...activity) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range activities {
		delete(h.failures, a)
	}
	if len(h.failures) == 0 {
		h.logged = false
	}
}

// check returns an error if an activity has failed for too long.
func (h *health) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.failures {
		if d := time.Since(f.since); d >= h.refuseAfter {
			return fmt.Errorf("sqliteinbox: stored deliveries could not be run for %v, so new ones are refused: %w", d.Round(time.Second), f.err)
		}
	}
	return nil
}

// isFailing reports whether the failure of a Run was logged and continues.
func (h *health) isFailing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logged
}
