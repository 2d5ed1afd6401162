package riverinbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/inbox"
)

// A worker is River's. It has deliveries called back, and tells River what becomes of their jobs.
type worker struct {
	river.WorkerDefaults[args]

	inbox *Inbox
}

// Timeout is how long River's rescuer lets a job be. It must not be negative: such jobs are never rescued. Callbacks do
// not run under the context that ends with it. The rescuer compares its process' clock with times of the database.
func (w *worker) Timeout(*river.Job[args]) time.Duration {
	return w.inbox.options.Lease + w.inbox.ahead()
}

// NextRetry keeps River's own backoff, which grows with the fourth power of the attempts, out of it. The rescuer asks as
// well, for a job that was lost with its process.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	rest := job.Args.rest
	if !job.Args.failed {
		rest = w.inbox.options.Policy.Backoff(1)
		if rec, err := recordOf(job.JobRow, job.Attempt); err == nil {
			rest = w.inbox.options.Policy.Backoff(max(rec.Tried, 1))
		}
		rest, _ = w.inbox.inDatabase(rest)
	}
	return time.Now().Add(rest)
}

// errLost is what River is told of a delivery that has taken its process along once too often.
var errLost = errors.New("the delivery's process was not heard of again, MaxAttempts times")

// Work implements [river.Worker].
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	began := time.Now()
	if job.Args.Discarded {
		return nil
	}
	rec, err := recordOf(job.JobRow, job.Attempt-1)
	if err != nil {
		return river.JobCancel(err)
	}
	delivery, err := job.Args.delivery()
	if err != nil {
		return river.JobCancel(err)
	}
	last := len(rec.Attempts) - 1
	isLost := last >= 0 && rec.Attempts[last].Outcome == inbox.Lost
	if isLost && rec.Tried >= w.inbox.options.Policy.MaxAttempts {
		rec.Seen = job.Attempt
		return errors.Join(river.RecordOutput(ctx, rec), river.JobCancel(errLost))
	}
	if rec.Reruns > 0 {
		delivery = delivery.Again(rec.Reruns)
	}
	if inbox.IsSuspect(rec.Attempts) {
		if !w.inbox.reserveSuspect(job.Queue) {
			return w.snooze(ctx, rec, isLost, w.inbox.laterSuspect(job.Queue))
		}
		// The next suspect may end the process, and must not take this one's result along.
		defer func() { go w.freeOnceRecorded(job.JobRow) }()
		if err := w.accuse(ctx, job, rec); err != nil {
			return w.snooze(ctx, rec, isLost, w.inbox.later(job.Queue))
		}
	}
	decided := make(chan inbox.Decision, 1)
	r := w.inbox.place(job.Queue, delivery.Vendor, delivery.Endpoint)
	if r == nil || !r.start(func() {
		r.dispatcher.Go(delivery, rec.Tried+1, func(d inbox.Decision) { decided <- d })
	}) { // not even begun
		if r != nil {
			r.dispatcher.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		}
		return w.snooze(ctx, rec, inbox.IsSuspect(rec.Attempts), w.inbox.later(job.Queue))
	}
	d := <-decided
	if lease := w.inbox.options.Lease; time.Since(began) >= lease-lease/10 {
		if w.superseded(job) {
			return nil
		}
		w.inbox.options.Policy.Logger.Error("inbox: a callback took as long as a lease, so that another process may have run it as well; Options.Lease must be longer",
			"vendor", delivery.Vendor, "endpoint", delivery.Endpoint, "id", delivery.ID, "took", d.Attempt.Took.String(), "lease", lease.String())
	}
	return w.settle(ctx, job, rec, d)
}

// accuse records that the attempt is the only one of a suspect in this process.
func (w *worker) accuse(ctx context.Context, job *river.Job[args], rec *record) error {
	accused := *rec
	accused.Alone = job.Attempt
	_, err := w.inbox.client.Load().JobUpdate(ctx, job.ID, &river.JobUpdateParams{Output: &accused})
	return err
}

// snooze has a delivery rest that was not run. changed says that there is something about it to be recorded: a loss that was
// found out, or that it is no longer accused.
func (w *worker) snooze(ctx context.Context, rec *record, changed bool, d time.Duration) error {
	rest, due := w.inbox.inDatabase(d)
	rec.Due = due
	if changed || due != nil {
		return errors.Join(river.RecordOutput(ctx, rec), river.JobSnooze(rest))
	}
	return river.JobSnooze(rest)
}

// settle tells River what becomes of a delivery that was run. What River counts as an attempt is what does here.
func (w *worker) settle(ctx context.Context, job *river.Job[args], rec *record, d inbox.Decision) error {
	if d.Verdict == inbox.Finish {
		return nil
	}
	rec.append(d.Attempt)
	rec.Waiting = d.Verdict == inbox.Shelve
	again := d.Verdict == inbox.Shelve || d.Verdict == inbox.Again && !d.Attempt.Counted
	rec.Seen = job.Attempt
	if again {
		rec.Seen-- // a snooze takes the attempt back
	}
	reason := errors.New(textOf(rec.Attempts[len(rec.Attempts)-1]))
	rest := max(0, d.After)
	switch {
	case d.Verdict == inbox.Bury:
		if err := river.RecordOutput(ctx, rec); err != nil {
			return err
		}
		return river.JobCancel(reason)
	case d.Verdict == inbox.Shelve:
		return w.snooze(ctx, rec, true, shelf)
	case again && rest == 0:
		return w.snooze(ctx, rec, true, w.inbox.later(job.Queue))
	case again:
		return w.snooze(ctx, rec, true, rest)
	}
	job.Args.failed = true
	job.Args.rest, rec.Due = w.inbox.inDatabase(rest)
	if err := river.RecordOutput(ctx, rec); err != nil {
		return err
	}
	return reason
}

func textOf(a inbox.Attempt) string {
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("%s %s", a.Outcome, a.Reason)
}

// shelf is how long a delivery without a callback rests, unless a Run that has one brings it back earlier.
const shelf = 24 * time.Hour

// later is how long a delivery rests that could not be run now: not at all where this process runs no more.
func (b *Inbox) later(name string) time.Duration {
	if len(b.runsOf(name)) == 0 {
		return 0
	}
	return placePatience/2 + rand.N(placePatience) //nolint:gosec // parts those who go together
}

// suspectRest is how long a suspect rests, more or less, while another runs.
const suspectRest = 4 * time.Second

func (b *Inbox) laterSuspect(name string) time.Duration {
	if len(b.runsOf(name)) == 0 {
		return 0
	}
	return suspectRest/2 + rand.N(suspectRest) //nolint:gosec // parts those who go together
}

// How long a result may be in memory after Work has returned, and how often to look: River collects results for up to 250 ms.
const (
	recordPatience = time.Second
	recordTick     = 25 * time.Millisecond
)

// freeOnceRecorded frees the slot of a suspect once River has recorded its result.
func (w *worker) freeOnceRecorded(job *rivertype.JobRow) {
	defer w.inbox.active.FreeSuspect()
	ctx, cancel := context.WithTimeout(context.Background(), recordPatience)
	defer cancel()
	tick := time.NewTicker(recordTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		row, err := w.inbox.client.Load().JobGet(ctx, job.ID)
		if errors.Is(err, rivertype.ErrNotFound) || err == nil && (row.State != rivertype.JobStateRunning || row.Attempt != job.Attempt) {
			return
		}
	}
}

// reserveSuspect waits for a while for the slot of a suspect, and reports whether it got it.
func (b *Inbox) reserveSuspect(name string) bool {
	for began := time.Now(); !b.active.ReserveSuspect(); time.Sleep(placeTick) {
		if len(b.runsOf(name)) == 0 || time.Since(began) >= placePatience {
			return false
		}
	}
	return true
}

func (b *Inbox) runsOf(name string) []*run {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if q := b.queues[name]; q != nil {
		return q.runs
	}
	return nil
}

// How long a job waits for a place, which only others of the same endpoint do as well, and how often it looks.
const (
	placePatience = time.Second
	placeTick     = 20 * time.Millisecond
)

// place returns a Run that has reserved a place for a callback, or nil.
func (b *Inbox) place(name, vendor, endpoint string) *run {
	var look *time.Ticker
	for began := time.Now(); ; {
		runs := b.runsOf(name)
		for _, r := range runs {
			if r.dispatcher.Reserve(vendor, endpoint, 1) == 1 {
				return r
			}
		}
		if len(runs) == 0 || time.Since(began) >= placePatience {
			return nil
		}
		if look == nil {
			look = time.NewTicker(placeTick)
			defer look.Stop()
		}
		select {
		case <-look.C:
		case <-runs[0].dispatcher.Freed():
		case <-runs[0].over:
		}
	}
}

// start calls f unless the Run has ended.
func (r *run) start(f func()) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.ended {
		return false
	}
	f()
	return true
}

// superseded tells whether a job, which has been worked for as long as a lease, has been rescued and is somebody else's
// now. What becomes of it River would take for theirs: it looks at no more than that the job is running. So this returns
// once it is not.
func (w *worker) superseded(job *river.Job[args]) bool {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), supersededTimeout)
		row, err := w.inbox.client.Load().JobGet(ctx, job.ID)
		cancel()
		switch {
		case errors.Is(err, rivertype.ErrNotFound):
			return true
		case err != nil:
		case row.State == rivertype.JobStateRunning && row.AttemptedAt != nil && job.AttemptedAt != nil && row.AttemptedAt.Equal(*job.AttemptedAt):
			return false
		case row.FinalizedAt != nil:
			return true
		}
		time.Sleep(supersededPause)
	}
}

const (
	supersededTimeout = 5 * time.Second
	supersededPause   = time.Second
)
