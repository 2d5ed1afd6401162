//go:build unix

package crashtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Delivery is one event that a vendor delivers, and what it was answered.
type Delivery struct {
	// Name is in the body, and in no other delivery's.
	Name string

	Vendor string

	reading webhooktest.Schedule
	retried func(status int) bool
	sender  *webhooktest.Signer
	body    []byte
	blind   bool // the vendor does not see the first answer that says yes
	twice   bool // each attempt is sent twice at once

	mu       sync.Mutex
	accepted int // answers 200
}

// What a delivery's callback does stands in its name.
const (
	inTx    = "tx-"    // its side effect and its completion are one transaction
	notInTx = "plain-" // it has none but to return
)

// InTx reports whether the callback of the delivery of that name completes it in the transaction of its side effect.
func InTx(name string) bool { return strings.HasPrefix(name, inTx) }

// padded is how long every fourth body is at the least.
const padded = 4096

// Deliveries returns n deliveries of all vendors and types, by every reading of the vendors' schedules, in turn. Half of
// them are [InTx]. Of ten one is sent again although it was accepted, and one twice at once.
func Deliveries(n int) []*Delivery {
	vendors := allvendors.All()
	list := make([]*Delivery, n)
	for i := range list {
		v := &vendors[i%len(vendors)]
		turn := i / len(vendors)
		kind := []string{inTx, notInTx}[turn%2]
		d := &Delivery{
			Name:    fmt.Sprintf("%s%s-%d", kind, v.Name, i),
			Vendor:  v.Name,
			reading: v.Schedules[turn/2%len(v.Schedules)],
			retried: v.Retried,
			sender:  v.Signer(),
			blind:   turn%10 == 3 || turn%10 == 8,
			twice:   turn%10 == 4 || turn%10 == 7,
		}
		d.body = d.compose(v.Samples[turn%len(v.Samples)].Body, turn/len(v.Samples)%4 == 0)
		list[i] = d
	}
	return list
}

// compose returns a body like sample that is this delivery's.
func (d *Delivery) compose(sample []byte, long bool) []byte {
	body := d.sender.Name(sample, d.Name)
	padding := ""
	if long {
		padding = strings.Repeat("x", max(0, padded-len(body)))
	}
	begin := bytes.IndexByte(body, '{') + 1
	return slices.Concat(body[:begin], fmt.Appendf(nil, `"torture":%q,"padding":%q,`, d.Name, padding), body[begin:])
}

// accept notes an answer 200, and reports whether the vendor has seen it.
func (d *Delivery) accept() (seen bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accepted++
	return !d.blind || d.accepted > 1
}

// Accepted reports how often the delivery was answered 200.
func (d *Delivery) Accepted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted
}

// at returns when the nth attempt is made, if a minute takes as long as minute.
func (d *Delivery) at(n int, minute time.Duration) time.Duration {
	return time.Duration(float64(d.reading.Attempts[n]) / float64(time.Minute) * float64(minute))
}
