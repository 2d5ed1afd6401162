package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

const (
	noInbox = "--from is not set."
	noStore = "--store is not set."
)

// checkInbox opens the inbox for the checks after it.
func checkInbox(ctx context.Context, d *doctor) finding {
	if d.options.inbox == "" {
		return skipped(noInbox)
	}
	var box *boxes.Box
	err := deadline.Call(ctx, d.options.timeout, func(ctx context.Context) (err error) { // opening a file has a longer limit, and no context
		box, err = boxes.Open(ctx, d.options.inbox, boxes.Follow)
		return err
	})
	if err != nil {
		return problem(fmt.Sprintf("The inbox cannot be opened: %v.", err), "Set --from to the inbox of the service, and check who may read it.")
	}
	d.box = box
	if d.counts, err = box.Stats(ctx); err != nil {
		return problem(fmt.Sprintf("The inbox cannot be read: %v.", err), "Check its server, or its disk.")
	}
	return fine("The inbox can be opened and read.")
}

func checkInboxSettings(ctx context.Context, d *doctor) finding {
	if d.box == nil {
		return skipped(noInbox)
	}
	faults, err := d.box.Inspect(ctx)
	return judgeFaults("The settings of the inbox are right, as far as a client can read them.", faults, err)
}

func checkStoreSettings(ctx context.Context, d *doctor) finding {
	if d.options.store == "" {
		return skipped(noStore)
	}
	faults, err := boxes.InspectStore(ctx, d.options.store)
	return judgeFaults("The settings of the store's server are right.", faults, err)
}

func checkStoreRetention(ctx context.Context, d *doctor) finding {
	if d.options.store == "" {
		return skipped(noStore)
	}
	kept, err := boxes.KeptFor(ctx, d.options.store)
	switch {
	case errors.Is(err, boxes.ErrNoTable):
		return skipped("The database has no table " + sqlstore.DefaultTable + ". The service may use another name.")
	case err != nil:
		return problem(fmt.Sprintf("The keys cannot be read: %v.", err), "Check what the user of the address may read.")
	default:
		return judgeRetention(kept, d.vendor.Profile.RetryWindow)
	}
}

// judgeRetention compares how much longer the store keeps its newest key with how long the vendor may send an event again.
func judgeRetention(kept, retries time.Duration) finding {
	found := fmt.Sprintf("The store keeps its newest key for another %v. The vendor sends an event again for up to %v.", kept.Round(time.Second), retries)
	switch {
	case kept == 0:
		return skipped("The store has no completed key yet.")
	case kept < retries:
		return warning(found, "If deliveries have arrived since, raise Options.Retention of the store, and look for what deletes or expires its keys.")
	default:
		return fine(found)
	}
}

// judgeFaults returns one finding for all faults.
func judgeFaults(right string, faults []boxes.Fault, err error) finding {
	if err != nil {
		return problem(fmt.Sprintf("The settings cannot be read: %v.", err), "Check the address, and what its user may read.")
	}
	var found, fix []string
	severe := false
	for _, f := range faults {
		found, fix, severe = append(found, f.Found), append(fix, f.Fix), severe || f.Severe
	}
	switch {
	case len(faults) == 0:
		return fine(right)
	case severe:
		return problem(strings.Join(found, " "), strings.Join(fix, " "))
	default:
		return warning(strings.Join(found, " "), strings.Join(fix, " "))
	}
}

func checkDeadLetters(_ context.Context, d *doctor) finding {
	switch n := d.counts.DeadLettered; {
	case d.box == nil:
		return skipped(noInbox)
	case n > 0:
		return warning(fmt.Sprintf("The inbox has %d dead letters.", n), "List them with `aihooks inbox list`, fix the cause, and run `aihooks inbox retry`.")
	default:
		return fine("The inbox has no dead letter.")
	}
}

func checkDeferred(_ context.Context, d *doctor) finding {
	switch n := d.counts.Deferred; {
	case d.box == nil:
		return skipped(noInbox)
	case n > 0:
		return warning(fmt.Sprintf("The inbox has %d deferred entries, whose types have no callback or are paused.", n),
			"Register callbacks, see `aihooks inbox pauses`, or run `aihooks inbox discard --deferred`. One may be a test event of doctor.")
	default:
		return fine("The inbox has no deferred entry.")
	}
}

func checkOldest(_ context.Context, d *doctor) finding {
	if d.box == nil {
		return skipped(noInbox)
	}
	return judgeOldest(d.counts.Oldest, time.Now())
}

// How long an entry may be due. A Run takes it at once if it has capacity.
const (
	dueWarning = time.Minute
	dueProblem = 10 * time.Minute
)

func judgeOldest(oldest, now time.Time) finding {
	due := now.Sub(oldest).Round(time.Second)
	found := fmt.Sprintf("The oldest due entry has been due for %v.", due)
	switch {
	case oldest.IsZero():
		return fine("No entry is due.")
	case due >= dueProblem:
		return problem(found, "Check that the service calls Run for this inbox, and look at its log.")
	case due >= dueWarning:
		return warning(found, "Make callbacks faster, or raise Policy.Concurrency.")
	default:
		return fine(found)
	}
}
