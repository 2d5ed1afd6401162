package riverinbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// maintainEvery is how often a Run does the maintenance that River does not do.
const maintainEvery = time.Minute

// lookAgain is how long after a change a Run looks for deferred deliveries once more. Another Run may notice the end of a
// pause two seconds later, and defer deliveries until then. River writes that up to 250 ms later.
const lookAgain = 4 * time.Second

// statementTimeout is how long one statement of the maintenance may take. A connection to a server that has frozen does not
// respond, and does not break. moveTimeout is for the one that may change all jobs.
const (
	statementTimeout = 30 * time.Second
	moveTimeout      = 10 * time.Minute
)

// maintain does the maintenance that River does not do, until ctx ends.
func (r *run) maintain(ctx context.Context, client *Client) {
	every, poll := time.NewTicker(maintainEvery), time.NewTicker(r.inbox.options.Poll)
	measure, move, primary := time.NewTicker(clockEvery), time.NewTicker(moveEvery), time.NewTicker(primaryCheck)
	defer primary.Stop()
	defer measure.Stop()
	defer move.Stop()
	defer every.Stop()
	defer poll.Stop()
	report := func(text string, err error) { r.report(ctx, text, err) }
	moveDue := func() { report("inbox: correcting due times failed", within(ctx, moveTimeout, r.inbox.moveDue)) }
	var again, late <-chan time.Time
	for ctx.Err() == nil {
		report("inbox: looking for waiting deliveries failed", errors.Join(r.absent(ctx, client), r.resume(ctx, client)))
		for looked := false; !looked && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case <-every.C:
				looked = true
			case <-r.dispatcher.Changed():
				again, late = time.After(0), time.After(lookAgain)
			case <-again:
				if err := r.follow(client); err != nil {
					report("inbox: River does not work a queue yet; retrying", err)
					again = time.After(joinPause)
				}
				looked = true
			case <-late:
				looked = true
			case <-primary.C:
				report("inbox: checking whether the server accepts writes failed", within(ctx, primaryCheck, r.inbox.primary.check))
			case <-measure.C:
				report("inbox: measuring the database's clock failed", within(ctx, statementTimeout, func(ctx context.Context) error {
					_, err := r.inbox.measureClock(ctx)
					return err
				}))
				moveDue() // the clock of another process may differ
			case <-move.C:
				if r.inbox.skew.Load() != 0 {
					moveDue()
				}
			case <-poll.C:
				if !r.inbox.pollOnly {
					report("inbox: looking for unannounced deliveries failed", within(ctx, statementTimeout, r.announce))
				}
			}
		}
	}
}

// within calls f with a context that ends after timeout.
func within(ctx context.Context, timeout time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f(ctx)
}

func listJobs(ctx context.Context, client *Client, params *river.JobListParams) (list *river.JobListResult, err error) {
	err = within(ctx, statementTimeout, func(ctx context.Context) error {
		list, err = client.JobList(ctx, params)
		return err
	})
	return list, err
}

// reportEvery is the minimum time between two log lines about failed maintenance: an outage causes many.
const reportEvery = 5 * time.Second

// report logs an error after which a Run tries again.
func (r *run) report(ctx context.Context, text string, err error) {
	if err != nil && ctx.Err() == nil {
		r.inbox.report(text, err)
	}
}

func (b *Inbox) report(text string, err error) {
	if b.active.MayReport(reportEvery) {
		b.options.Policy.Logger.Error(text, "error", err)
	}
}

// idlePoll is how often River polls each queue. The inbox's announce polls all queues in one statement, and more often.
const idlePoll = 30 * time.Second

// announceDue notifies River's clients of the queues with available jobs, as River does when it inserts a job. It reads
// one row for each queue that has available jobs.
const announceDue = `WITH RECURSIVE q AS (
    (SELECT queue FROM %[1]s WHERE state = 'available' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM %[1]s WHERE state = 'available' AND queue > q.queue ORDER BY queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL
)
SELECT pg_notify(coalesce($2, current_schema()) || '.river_insert', json_build_object('queue', queue)::text)
FROM q WHERE queue = ANY($1::text[])`

// announce makes River fetch from the queues of this Run that have jobs. An inbox with many endpoints then costs one
// statement per Poll, instead of one per endpoint.
func (r *run) announce(ctx context.Context) error {
	names := slices.Collect(maps.Keys(r.handlers))
	if len(names) == 0 {
		return nil
	}
	schema := (*string)(nil)
	if r.inbox.schema != "" {
		schema = &r.inbox.schema
	}
	_, err := r.inbox.pool.Exec(ctx, fmt.Sprintf(announceDue, r.inbox.jobTable()), names, schema)
	return err
}

// absent warns of deliveries that this Run has no handler for: they are in queues that it does not work.
func (r *run) absent(ctx context.Context, client *Client) error {
	known := []string{controlQueue}
	for name := range r.handlers {
		known = append(known, name)
	}
	for {
		list, err := listJobs(ctx, client, river.NewJobListParams().Kinds(Kind).States(rivertype.JobStateAvailable).
			Where("NOT queue = ANY(@known::text[])", river.NamedArgs{"known": known}).First(1))
		if err != nil || len(list.Jobs) == 0 {
			return err
		}
		a, err := argsIn(list.Jobs[0])
		if err != nil {
			return err
		}
		r.dispatcher.Absent(a.Vendor, a.Endpoint)
		known = append(known, list.Jobs[0].Queue)
	}
}

// deferredParams selects deliveries without a callback for their type.
func deferredParams() *river.JobListParams {
	return river.NewJobListParams().Kinds(Kind).States(rivertype.JobStateScheduled).Metadata(`{"output":{"deferred":true}}`)
}

// resume runs deferred deliveries for which a handler has a callback now.
func (r *run) resume(ctx context.Context, client *Client) error {
	for name, handler := range r.handlers {
		deferred := deferredParams().Queues(name)
		types := []string{}
		for {
			list, err := listJobs(ctx, client, deferred.Where("NOT args->>'type' = ANY(@types::text[])", river.NamedArgs{"types": types}).First(1))
			if err != nil {
				return err
			}
			if len(list.Jobs) == 0 {
				break
			}
			a, err := argsIn(list.Jobs[0])
			if err != nil {
				return err
			}
			types = append(types, a.Type)
			d, err := a.delivery()
			if err != nil || !handler.Handles(d.Type) {
				continue
			}
			if err := retryAll(ctx, client, deferred.Where("args->>'type' = @type", river.NamedArgs{"type": a.Type})); err != nil {
				return err
			}
		}
	}
	return nil
}

func retryAll(ctx context.Context, client *Client, params *river.JobListParams) error {
	for {
		list, err := listJobs(ctx, client, params.First(page))
		if err != nil || len(list.Jobs) == 0 {
			return err
		}
		for _, row := range list.Jobs {
			err := within(ctx, statementTimeout, func(ctx context.Context) error {
				_, err := client.JobRetry(ctx, row.ID)
				return err
			})
			if err != nil && !errors.Is(err, rivertype.ErrNotFound) {
				return err
			}
		}
		params = params.After(list.LastCursor)
	}
}
