package webhook

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// defaultReadBudget is the size in bytes of the budget that all handlers of a process share by default.
const defaultReadBudget = 32 << 20

// A ReadBudget bounds the memory that bodies take while they are read and authenticated, whoever sends them. A body
// takes 16 KiB at first, and as much again whenever that has been filled, whatever length was declared. Bodies larger
// than that share three quarters of the budget, so that they leave the last quarter to small ones.
//
// When a budget is used up, the slowest body makes room for what arrives: its request gets 503 and Retry-After with the
// reason [ReasonMadeRoom], and its connection is closed. The slowest is the one with the fewest bytes per second, of
// those that have been read for longer than 500 ms. If there is none, it is the oldest of those larger than 16 KiB, and
// then the oldest. So senders that stall keep out no sender whose body arrives at once. A body that has arrived makes no
// room. If such bodies take all of it, a request gets 503 and Retry-After with the reason [ReasonReading].
//
// All handlers of a process share one budget of 32 MiB. Set [Options.ReadBudget] for another size:
//
//	budget := webhook.NewReadBudget(128 << 20)
//	options := &webhook.Options{ReadBudget: budget} // for each handler that shares it
type ReadBudget struct {
	size int64

	mu      sync.Mutex
	used    int64
	arrived int64     // the part of used whose bodies are complete, and being authenticated
	leaving int64     // the part of used that is about to be given back, by bodies that made room
	reading []*charge // of the bodies that are neither
	waiting []*charge // those of them that wait to grow, first come first served
}

// overlong is how long a body may be read before its speed is looked at. Until then it may be the network's delay.
const overlong = 500 * time.Millisecond

// processBudget is shared by all handlers whose options have no other.
var processBudget = NewReadBudget(defaultReadBudget)

// NewReadBudget returns a budget of so many bytes. Handlers whose [Options] have it share it. It must be at least 64 KiB
// and at least twice the MaxBody of each of them, which is checked when a handler is built.
func NewReadBudget(bytes int64) *ReadBudget { return &ReadBudget{size: bytes} }

// A charge is the part of a budget that one body takes. A nil charge is of no budget.
type charge struct {
	budget    *ReadBudget
	since     time.Time
	until     time.Time // the body's deadline
	interrupt func()    // ends the read; called with the budget locked, so that it cannot end a later one
	received  atomic.Int64

	size     int64
	index    int           // in budget.reading; -1 if it is not there
	madeRoom bool          // and is in budget.leaving
	waited   chan struct{} // closed when the charge is no longer in budget.waiting
}

// admit charges the budget for the first chunk of a body. It returns nil if complete bodies leave no room. It does not
// wait until those that make room have given back their memory: a small body should not.
func (b *ReadBudget) admit(until time.Time, interrupt func()) *charge {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.arrived+chunkSize > b.size {
		return nil
	}
	for b.used-b.leaving+chunkSize > b.size {
		b.makeRoom()
	}
	b.used += chunkSize
	c := &charge{budget: b, since: time.Now(), until: until, interrupt: interrupt, size: chunkSize, index: len(b.reading)}
	b.reading = append(b.reading, c)
	b.makeRoomToGrow()
	return c
}

// grow charges the budget for another chunk. It waits until bodies that make room have given back their memory.
func (c *charge) grow() error {
	if c == nil {
		return nil
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.madeRoom:
		return errMadeRoom
	case b.arrived+c.size+chunkSize > b.growLimit():
		return errReading
	}
	granted := c.size + chunkSize
	c.waited = make(chan struct{})
	b.waiting = append(b.waiting, c)
	b.serve()
	b.makeRoomToGrow()
	b.await(c)
	switch {
	case c.madeRoom:
		return errMadeRoom
	case c.size < granted:
		return errSlow
	default:
		return nil
	}
}

// growLimit is how much may be used when a body grows.
func (b *ReadBudget) growLimit() int64 { return b.size - b.size/4 }

// makeRoomToGrow makes room for all that wait to grow.
func (b *ReadBudget) makeRoomToGrow() {
	for len(b.waiting) > 0 && b.used-b.leaving+int64(len(b.waiting))*chunkSize > b.growLimit() {
		b.makeRoom()
	}
}

// serve lets those grow that there is memory for.
func (b *ReadBudget) serve() {
	for len(b.waiting) > 0 && b.used+chunkSize <= b.growLimit() {
		c := b.waiting[0]
		b.used += chunkSize
		c.size += chunkSize
		b.endWait(c)
	}
}

// await waits, with the budget unlocked, until c has grown or has made room, or until its deadline.
func (b *ReadBudget) await(c *charge) {
	if c.waited == nil {
		return
	}
	waited := c.waited
	b.mu.Unlock()
	late := time.NewTimer(time.Until(c.until))
	defer late.Stop()
	select {
	case <-waited:
	case <-late.C:
	}
	b.mu.Lock()
	b.endWait(c)
}

func (b *ReadBudget) endWait(c *charge) {
	if c.waited == nil {
		return
	}
	close(c.waited)
	c.waited = nil
	i := slices.Index(b.waiting, c)
	b.waiting = slices.Delete(b.waiting, i, i+1)
}

// complete keeps a body that has arrived from making room.
func (c *charge) complete() {
	if c == nil {
		return
	}
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	if !c.madeRoom {
		c.budget.unlist(c)
		c.budget.arrived += c.size
	}
}

// release gives back what the body takes. It reports whether the body made room before.
func (c *charge) release() (madeRoom bool) {
	if c == nil {
		return false
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= c.size
	switch {
	case c.madeRoom:
		b.leaving -= c.size
	case c.index >= 0:
		b.unlist(c)
	default:
		b.arrived -= c.size
	}
	b.serve()
	return c.madeRoom
}

// makeRoom ends the read of the slowest body. There must be one.
func (b *ReadBudget) makeRoom() {
	now := time.Now()
	slowest := slices.MinFunc(b.reading, func(x, y *charge) int { return x.compare(y, now) })
	b.unlist(slowest)
	b.endWait(slowest)
	slowest.madeRoom = true
	b.leaving += slowest.size
	slowest.interrupt()
}

// unlist takes c from the bodies that can make room.
func (b *ReadBudget) unlist(c *charge) {
	last := len(b.reading) - 1
	b.reading[c.index], b.reading[last].index = b.reading[last], c.index
	b.reading[last] = nil
	b.reading = b.reading[:last]
	c.index = -1
}

// compare returns less than zero if c makes room before d does.
func (c *charge) compare(d *charge, now time.Time) int {
	cAge, dAge := now.Sub(c.since), now.Sub(d.since)
	older := cmp.Compare(dAge, cAge)
	cSlow, dSlow := cAge > overlong, dAge > overlong
	cLarge, dLarge := c.size > chunkSize, d.size > chunkSize
	switch {
	case cSlow && dSlow:
		return cmp.Or(cmp.Compare(c.speed(cAge), d.speed(dAge)), older)
	case cSlow != dSlow:
		return first(cSlow)
	case cLarge != dLarge:
		return first(cLarge)
	default:
		return older
	}
}

func first(c bool) int {
	if c {
		return -1
	}
	return 1
}

// speed returns the bytes that have arrived per nanosecond.
func (c *charge) speed(age time.Duration) float64 { return float64(c.received.Load()) / float64(age) }
