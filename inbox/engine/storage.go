package engine

import (
	"context"
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Storage is what an engine implements for one Run. [Dispatcher.Work] calls its functions until the Run ends. Take, Renew
// and Maintain are each called on one goroutine. The package's example is a complete engine.
type Storage struct {
	// Take leases deliveries that are due and passes each to [Dispatcher.Start], in a slot of [Dispatcher.Reserve]. It must
	// not wait for a slot or for a delivery. Work calls it again after next, or earlier: when a slot is free, when the
	// handlers have changed, or after [Dispatcher.Wake]. After an error, it always waits for next. Required.
	Take func(ctx context.Context) (next time.Duration, err error)

	// MaxCompleting is how many completed deliveries may wait for Record without a slot, because storing that a delivery
	// is done takes long. Above that, they keep their slots. Defaults to none.
	MaxCompleting int

	// Renew has the functions that renew the leases of this Run and end those of lost processes. Each is called at the
	// start, and then three times per Lease until every callback has returned. A callback may run for hours, so an engine
	// that several processes share needs it.
	Renew []func(ctx context.Context) error

	// Lease is how long a delivery stays leased without Renew. Required with Renew.
	Lease time.Duration

	// Maintain has the functions that resume deferred deliveries, call [Dispatcher.Absent], and so on. Each is called at
	// the start, every 10 seconds, and when the handlers have changed, until the Run takes no more deliveries.
	Maintain []func(ctx context.Context) error

	// Follow is called before the first Take, and before the next one when the handlers have changed. A handler that was
	// removed or shut down is not in the list. Optional.
	Follow func(ctx context.Context, handlers []inbox.Handler)
}

// A Lease is a delivery that an engine has leased to a Run.
type Lease interface {
	// Delivery returns the delivery, and how many of its attempts count, including this one. If the delivery cannot be
	// decoded, it returns an error, and as much of the delivery as is known. Then the delivery becomes a dead letter.
	Delivery() (d *webhook.Delivery, tried int, err error)

	// Record stores a decision: its Disposition, and its Attempt by [Append]. Work calls it until it returns nil, or an
	// error that wraps ErrLeaseEnded, or until the Run is over. The delivery keeps its slot meanwhile, so that no more
	// callbacks begin than can be recorded.
	Record(ctx context.Context, d Decision) error

	// GiveBack makes a delivery that was not started pending again, as if it had not been leased.
	GiveBack(ctx context.Context) error

	// Free is called last. It frees what the process holds for the delivery, such as the slot of [Runs.ReserveSuspect].
	Free()

	// Entry returns the entry of the delivery, for the log and for [inbox.Policy.OnDeadLetter].
	Entry() inbox.Entry
}

// ErrLeaseEnded is wrapped by the errors of [Lease] if another process has the delivery, or will have it. The result of
// this process changes nothing. Work logs it.
var ErrLeaseEnded = errors.New("inbox: the lease had ended before the callback did")
