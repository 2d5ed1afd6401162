package riverinbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// page is how many jobs are read at once, each with its body.
const page = 50

// isDeadLetter reports whether a job is a dead letter. The inbox cancels jobs. River discards them: a leader that does
// not know the worker discards the jobs that it should rescue.
func isDeadLetter(row *rivertype.JobRow) bool {
	return row.State == rivertype.JobStateCancelled || row.State == rivertype.JobStateDiscarded
}

// operable reports whether an entry is in the state that a filter for an operation selects.
func operable(e *inbox.Entry, f *inbox.Filter) bool {
	return e.State == cmp.Or(f.State, inbox.DeadLettered)
}

func argsIn(row *rivertype.JobRow) (args, error) {
	var a args
	if err := json.Unmarshal(row.EncodedArgs, &a); err != nil {
		return a, fmt.Errorf("riverinbox: job %d cannot be read: %w", row.ID, err)
	}
	return a, nil
}

// entryOf returns the entry of a job in any state, as far as it can be decoded.
func (b *Inbox) entryOf(row *rivertype.JobRow) inbox.Entry {
	e := inbox.Entry{ID: strconv.FormatInt(row.ID, 10), State: stateOf(row.State)}
	a, err := argsIn(row)
	if err == nil && !a.Discarded {
		e.Delivery, err = a.delivery()
	}
	if err != nil || a.Discarded {
		received := cmp.Or(a.ReceivedAt, row.CreatedAt).UTC()
		e.Delivery = &webhook.Delivery{Vendor: a.Vendor, Endpoint: a.Endpoint, Type: a.Type, ID: a.ID, Body: a.Body, ReceivedAt: received}
	}
	if e.Delivery.Body == nil && !a.Discarded {
		e.Delivery.Body = []byte{} // nil is a body that has been purged
	}
	rec, err := finishedRecord(row, a.Discarded)
	if err != nil {
		rec = new(record)
	}
	e.Attempts = rec.Attempts
	switch {
	case a.Discarded:
		e.State, e.Since = inbox.Done, row.CreatedAt.UTC()
	case row.FinalizedAt != nil:
		e.Since = row.FinalizedAt.UTC()
	case e.State == inbox.Pending && row.State == rivertype.JobStateScheduled && rec.Deferred:
		e.State = inbox.Deferred
	case e.State == inbox.Pending:
		e.Due = row.ScheduledAt.UTC()
	case row.AttemptedAt != nil && !b.attached: // an attached inbox does not know the lease
		e.Due = row.AttemptedAt.UTC().Add(b.options.Lease)
	}
	return e
}

// finishedRecord returns the record of a job with all attempts that have ended. River stores no output of an attempt that
// succeeds. A delivery that succeeds at once has no attempts, as on every engine.
func finishedRecord(row *rivertype.JobRow, discarded bool) (*record, error) {
	switch {
	case discarded: // the job is new, and has the record of the one that was discarded
		return recordOf(row, 0)
	case row.State == rivertype.JobStateRunning:
		return recordOf(row, row.Attempt-1)
	case row.State == rivertype.JobStateCompleted:
		rec, err := recordOf(row, row.Attempt-1)
		if err == nil && len(rec.Attempts) > 0 && row.AttemptedAt != nil && row.FinalizedAt != nil {
			rec.append(inbox.Attempt{At: row.AttemptedAt.UTC(), Took: row.FinalizedAt.Sub(*row.AttemptedAt), Outcome: webhook.Handled, Counted: true})
		}
		if err == nil {
			rec.Seen = row.Attempt
		}
		return rec, err
	default:
		return recordOf(row, row.Attempt)
	}
}

// DeadLetters implements [inbox.Inbox].
func (b *Inbox) DeadLetters(ctx context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		if err := engine.CheckFilter(f); err != nil {
			yield(inbox.Entry{}, err)
			return
		}
		if err := b.each(ctx, f, func(e inbox.Entry, _ int64) (bool, error) { return yield(e, nil), nil }); err != nil {
			yield(inbox.Entry{}, err)
		}
	}
}

// each calls do for the entries that the filter selects, the oldest first, while do returns true. It calls do once for each
// entry: one that is retried, and fails again meanwhile, comes a second time at the end of the list.
func (b *Inbox) each(ctx context.Context, f inbox.Filter, do func(e inbox.Entry, id int64) (more bool, err error)) error {
	client := b.client.Load()
	if client == nil {
		return errNoClient
	}
	params := paramsOf(f)
	if f.ID != "" {
		id, err := strconv.ParseInt(f.ID, 10, 64)
		if err != nil {
			return inbox.ErrNotFound
		}
		params = params.IDs(id)
	}
	found := make(map[int64]bool)
	for {
		list, err := client.JobList(ctx, params)
		if err != nil {
			return fmt.Errorf("riverinbox: %w", err)
		}
		for _, row := range list.Jobs {
			e := b.entryOf(row)
			if found[row.ID] || !operable(&e, &f) || !f.Matches(&e) {
				continue
			}
			found[row.ID] = true
			if more, err := do(e, row.ID); err != nil || !more {
				return err
			}
		}
		if len(list.Jobs) < page {
			break
		}
		params = params.After(list.LastCursor)
	}
	if f.ID != "" && len(found) == 0 {
		return inbox.ErrNotFound
	}
	return nil
}

// paramsOf returns parameters that select at least what the filter selects.
func paramsOf(f inbox.Filter) *river.JobListParams {
	params := river.NewJobListParams().Kinds(Kind).States(rivertype.JobStateCancelled, rivertype.JobStateDiscarded).
		OrderBy(river.JobListOrderByFinalizedAt, river.SortOrderAsc).First(page)
	switch f.State {
	case inbox.Done:
		params = params.States(rivertype.JobStateCompleted)
	case inbox.Deferred:
		params = deferredParams().OrderBy(river.JobListOrderByID, river.SortOrderAsc).First(page)
	}
	for name, value := range map[string]string{"vendor": f.Vendor, "endpoint": f.Endpoint, "type": f.Type} {
		if value != "" {
			params = params.Where("args->>'"+name+"' = @"+name, river.NamedArgs{name: storable(value)})
		}
	}
	return params
}

// Retry implements [inbox.Operator].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return b.operate(ctx, inbox.ActionRetry, f, func(ctx context.Context, tx pgx.Tx, row *rivertype.JobRow) error {
		return b.requeue(ctx, tx, row, 0)
	})
}

// Rerun implements [inbox.Operator].
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	return b.operate(ctx, inbox.ActionRerun, f, func(ctx context.Context, tx pgx.Tx, row *rivertype.JobRow) error {
		return b.requeue(ctx, tx, row, 1)
	})
}

// requeue makes River run a dead letter again, with all attempts of the policy.
func (b *Inbox) requeue(ctx context.Context, tx pgx.Tx, row *rivertype.JobRow, reruns int) error {
	rec, err := finishedRecord(row, false)
	if err != nil {
		return err
	}
	rec.Tried, rec.Deferred, rec.Reruns = 0, false, rec.Reruns+reruns
	if _, err := b.client.Load().JobUpdateTx(ctx, tx, row.ID, &river.JobUpdateParams{Output: rec}); err != nil {
		return err
	}
	_, err = b.client.Load().JobRetryTx(ctx, tx, row.ID)
	return err
}

// Discard implements [inbox.Operator]. It deletes the job with its body, and inserts a job that keeps only the key and the
// attempts. The next Run, or the next start of the client, completes that job.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	return b.operate(ctx, inbox.ActionDiscard, f, func(ctx context.Context, tx pgx.Tx, row *rivertype.JobRow) error {
		a, err := argsIn(row)
		if err != nil {
			return err
		}
		client := b.client.Load()
		if _, err := client.JobDeleteTx(ctx, tx, row.ID); err != nil {
			return err
		}
		opts := insertOpts(controlQueue)
		if rec, err := finishedRecord(row, false); err == nil {
			if opts.Metadata, err = json.Marshal(map[string]any{"output": rec}); err != nil {
				return err
			}
		}
		a.ReceivedAt = b.entryOf(row).Delivery.ReceivedAt
		a.Discarded, a.Delivery, a.Body = true, nil, nil
		_, err = client.InsertTx(ctx, tx, a, opts)
		return err
	})
}

// operate calls do for each entry that the filter selects, each in a separate transaction. It records the operation. Rerun with
// an ID also selects an entry that is done.
func (b *Inbox) operate(ctx context.Context, a inbox.Action, f inbox.Filter, do func(context.Context, pgx.Tx, *rivertype.JobRow) error) (int, error) {
	return b.controls.Audited(ctx, a, f, func(begin func() error) (int, error) {
		n, err := b.operateEach(ctx, f, begin, do)
		if a == inbox.ActionRerun && f.ID != "" && f.State == "" && errors.Is(err, inbox.ErrNotFound) {
			f.State = inbox.Done
			return b.operateEach(ctx, f, begin, do)
		}
		return n, err
	})
}

func (b *Inbox) operateEach(ctx context.Context, f inbox.Filter, begin func() error, do func(context.Context, pgx.Tx, *rivertype.JobRow) error) (n int, err error) {
	err = b.each(ctx, f, func(e inbox.Entry, id int64) (bool, error) {
		if e.Delivery.Body == nil && f.State == inbox.Done {
			return false, fmt.Errorf("riverinbox: %w: entry %s was discarded: %w", inbox.ErrNotFound, e.ID, inbox.ErrPurged)
		}
		if err := begin(); err != nil {
			return false, err
		}
		done, err := b.operateOn(ctx, id, &f, do)
		if done {
			n++
		}
		return true, err
	})
	if err == nil && f.ID != "" && n == 0 {
		err = inbox.ErrNotFound // another process was faster
	}
	return n, err
}

func (b *Inbox) operateOn(ctx context.Context, id int64, f *inbox.Filter, do func(context.Context, pgx.Tx, *rivertype.JobRow) error) (done bool, err error) {
	operation := func(tx pgx.Tx) error {
		done = false
		row, err := b.client.Load().JobUpdateTx(ctx, tx, id, nil) // locks the row and changes nothing
		if errors.Is(err, rivertype.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if e := b.entryOf(row); !operable(&e, f) {
			return nil
		}
		done = true
		return do(ctx, tx, row)
	}
	err = b.primary.do(func() error { return pgx.BeginFunc(ctx, b.pool, operation) })
	if err != nil {
		return false, fmt.Errorf("riverinbox: job %d: %w", id, err)
	}
	return done, nil
}
