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

// A ReadBudget bounds the memory for bodies that are being read and authenticated. A body takes 16 KiB at first, and
// another 16 KiB each time that is full. Its declared length has no effect. Bodies larger than 16 KiB share three quarters
// of the budget, so the last quarter is left for small ones.
//
// When the budget is used up, the handler evicts the slowest body. Its request gets 503 and Retry-After with the reason
// [ReasonEvicted], and its connection is closed. The slowest body has the fewest bytes per second, among those that have
// been read for longer than 500 ms. If all bodies are newer, the oldest body larger than 16 KiB is evicted, or else the
// oldest body. So stalled senders cannot block a sender whose body arrives at once.
//
// A complete body is never evicted. If complete bodies use up the budget, a new request gets 503 and Retry-After with the
// reason [ReasonReading].
//
// All handlers of a process share one budget of 32 MiB by default. Set [Options.ReadBudget] for another size:
//
//	budget := webhook.NewReadBudget(128 << 20)
//	options := &webhook.Options{ReadBudget: budget} // for each handler that shares it
type ReadBudget struct {
	size int64

	mu      sync.Mutex
	used    int64
	arrived int64     // part of used: complete bodies that are being authenticated
	leaving int64     // part of used: evicted bodies, which will release it soon
	reading []*charge // the other bodies
	waiting []*charge // bodies in reading that wait to grow, in the order of their requests
}

// graceToRead is the age at which the speed of a body starts to count. Before that, network delay may explain it.
const graceToRead = 500 * time.Millisecond

// processBudget is shared by all handlers whose Options have no ReadBudget.
var processBudget = NewReadBudget(defaultReadBudget)

// NewReadBudget returns a budget of that many bytes. All handlers that have it in their [Options] share it. The size must
// be at least 64 KiB and at least twice the MaxBody of each handler. NewHandler returns an error otherwise.
func NewReadBudget(bytes int64) *ReadBudget { return &ReadBudget{size: bytes} }

// A charge is the part of a budget that one body takes. A nil charge belongs to no budget.
type charge struct {
	budget    *ReadBudget
	since     time.Time
	until     time.Time // the body's deadline
	interrupt func()    // ends the read; called with the budget locked, so that it cannot end a later read
	received  atomic.Int64

	size    int64
	index   int           // in budget.reading; -1 if it is not there
	evicted bool          // it counts in budget.leaving
	waited  chan struct{} // closed when the charge leaves budget.waiting
}

// admit charges the budget for the first chunk of a body. It returns nil if complete bodies use up the budget. It does not
// wait until evicted bodies have released their memory, so that small bodies are not delayed.
func (b *ReadBudget) admit(until time.Time, interrupt func()) *charge {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.arrived+chunkSize > b.size {
		return nil
	}
	for b.used-b.leaving+chunkSize > b.size {
		b.evict()
	}
	b.used += chunkSize
	c := &charge{budget: b, since: time.Now(), until: until, interrupt: interrupt, size: chunkSize, index: len(b.reading)}
	b.reading = append(b.reading, c)
	b.evictToGrow()
	return c
}

// grow charges the budget for another chunk. It waits until evicted bodies have released their memory.
func (c *charge) grow() error {
	if c == nil {
		return nil
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.evicted:
		return errEvicted
	case b.arrived+c.size+chunkSize > b.growLimit():
		return errReading
	}
	granted := c.size + chunkSize
	c.waited = make(chan struct{})
	b.waiting = append(b.waiting, c)
	b.serve()
	b.evictToGrow()
	b.await(c)
	switch {
	case c.evicted:
		return errEvicted
	case c.size < granted:
		return errSlow
	default:
		return nil
	}
}

// growLimit is the part of the budget that bodies may use when they grow.
func (b *ReadBudget) growLimit() int64 { return b.size - b.size/4 }

// evictToGrow evicts bodies until all that wait to grow can do so.
func (b *ReadBudget) evictToGrow() {
	for len(b.waiting) > 0 && b.used-b.leaving+int64(len(b.waiting))*chunkSize > b.growLimit() {
		b.evict()
	}
}

// serve grows waiting bodies while there is memory.
func (b *ReadBudget) serve() {
	for len(b.waiting) > 0 && b.used+chunkSize <= b.growLimit() {
		c := b.waiting[0]
		b.used += chunkSize
		c.size += chunkSize
		b.endWait(c)
	}
}

// await waits until c has grown, was evicted, or has reached its deadline. It unlocks the budget meanwhile.
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

// complete records that the body has arrived, so that it is not evicted.
func (c *charge) complete() {
	if c == nil {
		return
	}
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	if !c.evicted {
		c.budget.unlist(c)
		c.budget.arrived += c.size
	}
}

// release returns the body's memory to the budget. It reports whether the body was evicted.
func (c *charge) release() (evicted bool) {
	if c == nil {
		return false
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= c.size
	switch {
	case c.evicted:
		b.leaving -= c.size
	case c.index >= 0:
		b.unlist(c)
	default:
		b.arrived -= c.size
	}
	b.serve()
	return c.evicted
}

// evict ends the read of the slowest body. There must be one.
func (b *ReadBudget) evict() {
	now := time.Now()
	slowest := slices.MinFunc(b.reading, func(x, y *charge) int { return x.compare(y, now) })
	b.unlist(slowest)
	b.endWait(slowest)
	slowest.evicted = true
	b.leaving += slowest.size
	slowest.interrupt()
}

// unlist removes c from the bodies that can be evicted.
func (b *ReadBudget) unlist(c *charge) {
	last := len(b.reading) - 1
	b.reading[c.index], b.reading[last].index = b.reading[last], c.index
	b.reading[last] = nil
	b.reading = b.reading[:last]
	c.index = -1
}

// compare returns less than zero if c is evicted before d.
func (c *charge) compare(d *charge, now time.Time) int {
	cAge, dAge := now.Sub(c.since), now.Sub(d.since)
	older := cmp.Compare(dAge, cAge)
	cSlow, dSlow := cAge > graceToRead, dAge > graceToRead
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
