package command

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/deadline"
	"github.com/aihooks/aihooks-go/webhook"
)

const noInbox = "--inbox is not set."

// checkInbox opens the inbox for the checks after it. Attach refuses a network file system and a file that is mounted alone.
func checkInbox(ctx context.Context, d *doctor) finding {
	if d.options.inbox == "" {
		return skipped(noInbox)
	}
	var box *sqliteinbox.Inbox
	err := deadline.Call(ctx, d.options.timeout, func(context.Context) (err error) { // Attach has a longer limit, and no context
		box, err = sqliteinbox.Attach(d.options.inbox)
		return err
	})
	if err != nil {
		return problem(fmt.Sprintf("The inbox cannot be opened: %v.", err), "Set --inbox to the file that the service opens, and check who may read it.")
	}
	d.box = box
	var mode string
	err = box.View(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	})
	if err == nil {
		d.counts, err = box.Stats(ctx)
	}
	switch {
	case err != nil:
		return problem(fmt.Sprintf("The inbox cannot be read: %v.", err), "Check the disk, and run PRAGMA integrity_check on a copy.")
	case mode != "wal":
		return warning(fmt.Sprintf("The journal mode of the file is %s, and not WAL.", mode), "Set --inbox to the file that the service opens: a backup has another mode.")
	default:
		return fine("The inbox can be opened, and its journal mode is WAL.")
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
		return warning(fmt.Sprintf("The inbox has %d deferred entries, whose types have no callback.", n),
			"Register callbacks, or run `aihooks inbox discard --deferred`. One may be a test event of doctor.")
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

// checkCapacity compares the inbox with the default limits, because a file does not have those of the service.
func checkCapacity(ctx context.Context, d *doctor) finding {
	if d.box == nil {
		return skipped(noInbox)
	}
	return judgeCapacity(d.box.Ready(ctx))
}

func judgeCapacity(err error) finding {
	switch {
	case errors.Is(err, sqliteinbox.ErrReadOnly):
		return skipped("The inbox is read-only here.")
	case errors.Is(err, webhook.ErrInboxFull):
		return problem(fmt.Sprintf("By the default limits, the inbox takes no delivery: %v.", err), "Free space on the disk, or find out why deliveries are not processed.")
	case err != nil:
		return problem(fmt.Sprintf("The inbox takes no delivery: %v.", err), "Check the file and its folder.")
	default:
		return fine("The inbox and its disk have space for new deliveries.")
	}
}
