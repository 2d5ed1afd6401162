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
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// A worker is the River worker that runs the callbacks of deliveries.
type worker struct {
	river.WorkerDefaults[args]

	inbox *Inbox
}

// Timeout returns the time after which River's rescuer rescues a job. Within the lease it returns -1, which means never:
// otherwise River would log that a job whose lease is renewed is stuck. Callbacks do not run under the context that it
// limits. The rescuer compares the clock of its process with times of the database, so the difference is added.
func (w *worker) Timeout(job *river.Job[args]) time.Duration {
	timeout := w.inbox.options.Lease + w.inbox.ahead()
	if job.AttemptedAt != nil && time.Since(*job.AttemptedAt) < timeout {
		return -1
	}
	return timeout
}

// NextRetry returns the policy's backoff instead of River's own, which grows with the fourth power of the attempts. The
// rescuer also calls it, for a job whose process was lost.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	delay := job.Args.retryDelay
	if !job.Args.failed {
		delay = w.inbox.options.Policy.Backoff(1)
		if rec, err := recordOf(job.JobRow, job.Attempt); err == nil {
			delay = w.inbox.options.Policy.Backoff(max(rec.Tried, 1))
		}
		delay, _ = w.inbox.inDatabase(delay)
	}
	return time.Now().Add(delay)
}

// errLost is the error of a delivery whose processes were lost MaxAttempts times.
var errLost = errors.New("worker process was lost MaxAttempts times")

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
	if engine.IsSuspect(rec.Attempts) {
		if !w.inbox.reserveSuspect(job.Queue) {
			return w.snooze(ctx, rec, isLost, w.inbox.suspectSnoozeTime(job.Queue))
		}
		// The next suspect may crash the process. This one's result must be stored before.
		defer func() { go w.freeOnceRecorded(job.JobRow) }()
		if err := w.markAlone(ctx, job, rec); err != nil {
			return w.snooze(ctx, rec, true, w.inbox.snoozeTime(job.Queue)) // the mark may be stored
		}
	}
	decided := make(chan engine.Decision, 1)
	r := w.inbox.reserve(job.Queue, delivery.Vendor, delivery.Endpoint)
	if r == nil || !r.start(job, began, func() {
		r.dispatcher.Go(delivery, rec.Tried+1, func(d engine.Decision) { decided <- d })
	}) { // the callback was not started
		if r != nil {
			r.dispatcher.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		}
		return w.snooze(ctx, rec, engine.IsSuspect(rec.Attempts), w.inbox.snoozeTime(job.Queue))
	}
	d := <-decided
	if !r.drop(job) && w.superseded(ctx, r, job) {
		w.inbox.options.Policy.Logger.Warn("inbox: the lease of a delivery had ended before its callback did; another process takes it over",
			"entry", job.ID, "vendor", delivery.Vendor, "endpoint", delivery.Endpoint, "id", delivery.ID)
		return noResult{}
	}
	return w.settle(ctx, job, rec, d)
}

// markAlone records that the job runs as the only suspect of this process.
func (w *worker) markAlone(ctx context.Context, job *river.Job[args], rec *record) error {
	ctx, cancel := context.WithTimeout(ctx, w.inbox.options.Lease/3) // the lease is not renewed meanwhile
	defer cancel()
	alone := *rec
	alone.Alone = job.Attempt
	_, err := w.inbox.client.Load().JobUpdate(ctx, job.ID, &river.JobUpdateParams{Output: &alone})
	return err
}

// snooze delays a delivery that was not run. changed reports whether the record must be stored: an attempt was found to
// be lost, or the delivery no longer runs as the only suspect.
func (w *worker) snooze(ctx context.Context, rec *record, changed bool, d time.Duration) error {
	delay, due := w.inbox.inDatabase(d)
	rec.Due = due
	if changed || due != nil {
		return errors.Join(river.RecordOutput(ctx, rec), river.JobSnooze(delay))
	}
	return river.JobSnooze(delay)
}

// settle reports the result of an attempt to River. River must count the attempts that count here.
func (w *worker) settle(ctx context.Context, job *river.Job[args], rec *record, d engine.Decision) error {
	if d.Disposition == engine.Complete {
		return nil
	}
	rec.append(d.Attempt)
	rec.Deferred = d.Disposition == engine.Defer
	uncounted := d.Disposition == engine.Defer || d.Disposition == engine.Retry && !d.Attempt.Counted
	rec.Seen = job.Attempt
	if uncounted {
		rec.Seen-- // a snooze decrements River's attempt count
	}
	reason := errors.New(textOf(rec.Attempts[len(rec.Attempts)-1]))
	delay := max(0, d.After)
	switch {
	case d.Disposition == engine.DeadLetter:
		if err := river.RecordOutput(ctx, rec); err != nil {
			return err
		}
		return river.JobCancel(reason)
	case d.Disposition == engine.Defer:
		return w.snooze(ctx, rec, true, deferredSnooze)
	case uncounted && delay == 0:
		return w.snooze(ctx, rec, true, w.inbox.snoozeTime(job.Queue))
	case uncounted:
		return w.snooze(ctx, rec, true, delay)
	}
	job.Args.failed = true
	job.Args.retryDelay, rec.Due = w.inbox.inDatabase(delay)
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

// deferredSnooze is how long a deferred delivery waits. A Run with a callback for it resumes it earlier.
const deferredSnooze = 24 * time.Hour

// snoozeTime returns how long to snooze a delivery that cannot run now. It is zero if no Run of this process works the
// queue.
func (b *Inbox) snoozeTime(name string) time.Duration {
	if len(b.runsOf(name)) == 0 {
		return 0
	}
	return slotTimeout/2 + rand.N(slotTimeout) //nolint:gosec // spreads deliveries that were snoozed together
}

// suspectSnooze is about how long a suspect waits while another one runs.
const suspectSnooze = 4 * time.Second

func (b *Inbox) suspectSnoozeTime(name string) time.Duration {
	if len(b.runsOf(name)) == 0 {
		return 0
	}
	return suspectSnooze/2 + rand.N(suspectSnooze) //nolint:gosec // spreads deliveries that were snoozed together
}

// River collects results for up to 250 ms after Work has returned. recordTimeout is how long to wait until the result is
// in the database, and recordTick is how often to look.
const (
	recordTimeout = time.Second
	recordTick    = 25 * time.Millisecond
)

// freeOnceRecorded frees the slot of a suspect once River has recorded its result.
func (w *worker) freeOnceRecorded(job *rivertype.JobRow) {
	defer w.inbox.active.FreeSuspect()
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
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

// reserveSuspect waits up to slotTimeout for the slot of a suspect, and reports whether it got the slot.
func (b *Inbox) reserveSuspect(name string) bool {
	for began := time.Now(); !b.active.ReserveSuspect(); time.Sleep(slotTick) {
		if len(b.runsOf(name)) == 0 || time.Since(began) >= slotTimeout {
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

// slotTimeout is how long a job waits for a slot, and slotTick is how often it looks. Only jobs of the same endpoint
// wait behind it.
const (
	slotTimeout = time.Second
	slotTick    = 20 * time.Millisecond
)

// reserve returns a Run that has reserved a slot for a callback, or nil.
func (b *Inbox) reserve(name, vendor, endpoint string) *run {
	var look *time.Ticker
	for began := time.Now(); ; {
		runs := b.runsOf(name)
		for _, r := range runs {
			if r.dispatcher.Reserve(vendor, endpoint, 1) == 1 {
				return r
			}
		}
		if len(runs) == 0 || time.Since(began) >= slotTimeout {
			return nil
		}
		if look == nil {
			look = time.NewTicker(slotTick)
			defer look.Stop()
		}
		select {
		case <-look.C:
		case <-runs[0].dispatcher.Freed():
		case <-runs[0].over:
		}
	}
}

// superseded reports whether a job whose lease was not renewed was rescued. During an outage it waits until the database
// responds. If the job is canceled or the Run ends before, superseded reports true, because the job may be rescued.
func (w *worker) superseded(ctx context.Context, r *run, job *river.Job[args]) bool {
	for {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), supersededTimeout)
		row, err := w.inbox.client.Load().JobGet(limited, job.ID)
		cancel()
		switch {
		case errors.Is(err, rivertype.ErrNotFound):
			return true
		case err == nil:
			return row.State != rivertype.JobStateRunning || row.Attempt != job.Attempt
		}
		select {
		case <-ctx.Done():
			return true
		case <-r.over:
			return true
		case <-time.After(supersededPause):
		}
	}
}

const (
	supersededTimeout = 5 * time.Second
	supersededPause   = time.Second
)

// noResult is the error of a job that was rescued. River only checks that the job is running when it stores a result, so it
// would apply any other one, even success, to an attempt that began later. Workers of many jobs return errors with these
// methods, and River stores the results of Jobs. This one has no jobs.
type noResult struct{}

func (noResult) Error() string               { return "riverinbox: the job was rescued" }
func (noResult) Jobs() []*rivertype.JobRow   { return nil }
func (noResult) ErrorsByID() map[int64]error { return nil }
