//go:build unix

package crashtest

import (
	"strconv"
	"strings"
	"sync"
)

// What receivers say on standard output: one word, or a word, the name of a delivery and the time in Unix nanoseconds.
const (
	listening = "listening"
	runs      = "runs"      // its callback begins
	failed    = "failed"    // its callback ends, and it has to come again
	returned  = "returned"  // its callback is about to return nil
	completed = "completed" // that it has is durable
	unmarked  = "unmarked"  // that it has could not be written at once
	overlaps  = "overlaps"  // its callback begins while it runs in the same process
)

// A line is one thing that a receiver said.
type line struct {
	verb    string
	at      int64
	process *Process
}

// A Journal is what receivers have said of each delivery.
type Journal struct {
	mu    sync.Mutex
	lines map[string][]line
}

func (j *Journal) add(p *Process, text string) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return
	}
	at, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lines == nil {
		j.lines = make(map[string][]line)
	}
	j.lines[fields[1]] = append(j.lines[fields[1]], line{fields[0], at, p})
}

func (j *Journal) of(name string) []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines[name]
}

// Runs returns how often callbacks have been run in all.
func (j *Journal) Runs() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, lines := range j.lines {
		n += count(lines, runs)
	}
	return n
}

func count(lines []line, verb string) (n int) {
	for _, l := range lines {
		if l.verb == verb {
			n++
		}
	}
	return n
}
