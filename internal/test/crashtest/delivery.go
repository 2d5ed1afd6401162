//go:build unix

package crashtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Delivery is one event that a vendor sends, and the responses that it got.
type Delivery struct {
	// Name is in the body, and unique.
	Name string

	Vendor string

	schedule     webhooktest.Schedule
	retried      func(status int) bool
	sender       *webhooktest.Signer
	body         []byte
	ignoresFirst bool // the vendor does not get the first response with 200
	concurrent   bool // each attempt is sent twice concurrently

	mu       sync.Mutex
	accepted int // responses with 200
}

// The prefix of a delivery's name selects what its callback does.
const (
	inTx    = "tx-"    // its side effect and its completion are one transaction
	notInTx = "plain-" // it only returns
)

// InTx reports whether the callback of that delivery commits the side effect and the completion in one transaction.
func InTx(name string) bool { return strings.HasPrefix(name, inTx) }

// padded is the minimum length of every fourth body.
const padded = 4096

// Deliveries returns n deliveries. They cover all vendors, types and possible readings of the vendors' schedules in
// turn. Half of them are [InTx]. Two of ten are sent again after they were accepted, and two of ten are sent twice
// concurrently.
func Deliveries(n int) []*Delivery {
	vendors := vendortest.All()
	list := make([]*Delivery, n)
	for i := range list {
		v := vendors[i%len(vendors)]
		round := i / len(vendors)
		kind := []string{inTx, notInTx}[round%2]
		d := &Delivery{
			Name:         fmt.Sprintf("%s%s-%d", kind, v.Name(), i),
			Vendor:       v.Name(),
			schedule:     v.Schedules[round/2%len(v.Schedules)],
			retried:      v.Retried,
			sender:       v.Signer(),
			ignoresFirst: round%10 == 3 || round%10 == 8,
			concurrent:   round%10 == 4 || round%10 == 7,
		}
		d.body = d.compose(v.Samples[round%len(v.Samples)].Body, round/len(v.Samples)%4 == 0)
		list[i] = d
	}
	return list
}

// compose returns the sample body with this delivery's name in it.
func (d *Delivery) compose(sample []byte, long bool) []byte {
	body := d.sender.Name(sample, d.Name)
	padding := ""
	if long {
		padding = strings.Repeat("x", max(0, padded-len(body)))
	}
	begin := bytes.IndexByte(body, '{') + 1
	return slices.Concat(body[:begin], fmt.Appendf(nil, `"torture":%q,"padding":%q,`, d.Name, padding), body[begin:])
}

// accept counts a response with 200, and reports whether the vendor got it.
func (d *Delivery) accept() (seen bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accepted++
	return !d.ignoresFirst || d.accepted > 1
}

// Accepted returns how many responses had status 200.
func (d *Delivery) Accepted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted
}

// at returns when the nth attempt is made, with the length of a minute of the schedule.
func (d *Delivery) at(n int, minute time.Duration) time.Duration {
	return time.Duration(float64(d.schedule.Attempts[n]) / float64(time.Minute) * float64(minute))
}
