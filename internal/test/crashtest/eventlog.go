//go:build unix

package crashtest

import (
	"strconv"
	"strings"
	"sync"
)

// A receiver prints the word "listening", and then events: a kind, the name of a delivery and the time in Unix
// nanoseconds.
const (
	listening = "listening"
	runs      = "runs"      // its callback starts
	failed    = "failed"    // its callback fails, and the delivery must run again
	returned  = "returned"  // its callback is about to return nil
	completed = "completed" // the result is durable
	notMarked = "unmarked"  // the result could not be recorded at once
	overlaps  = "overlaps"  // its callback starts while it runs in the same process
)

// An event is one line that a receiver printed.
type event struct {
	kind    string
	at      int64
	process *Process
}

// An EventLog has the events of all receivers, by the names of deliveries.
type EventLog struct {
	mu     sync.Mutex
	events map[string][]event
}

func (l *EventLog) add(p *Process, text string) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return
	}
	at, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		l.events = make(map[string][]event)
	}
	l.events[fields[1]] = append(l.events[fields[1]], event{fields[0], at, p})
}

func (l *EventLog) of(name string) []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[name]
}

// Runs returns how many callbacks have started in all.
func (l *EventLog) Runs() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, events := range l.events {
		n += count(events, runs)
	}
	return n
}

func count(events []event, kind string) (n int) {
	for _, l := range events {
		if l.kind == kind {
			n++
		}
	}
	return n
}
