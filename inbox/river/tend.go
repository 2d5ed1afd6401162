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

// tendEvery is how often a Run looks after what River does not.
const tendEvery = time.Minute

// tend looks after what River does not, until ctx ends.
func (r *run) tend(ctx context.Context, client *Client) {
	every, poll := time.NewTicker(tendEvery), time.NewTicker(r.inbox.options.Poll)
	measure, move, primary := time.NewTicker(clockEvery), time.NewTicker(moveEvery), time.NewTicker(primaryCheck)
	defer primary.Stop()
	defer measure.Stop()
	defer move.Stop()
	defer every.Stop()
	defer poll.Stop()
	report := func(text string, err error) {
		if err != nil && ctx.Err() == nil {
			r.inbox.options.Policy.Logger.Error(text, "error", err)
		}
	}
	again := make(<-chan time.Time)
	for ctx.Err() == nil {
		report("inbox: looking for deliveries that wait", errors.Join(r.absent(ctx, client), r.unshelve(ctx, client)))
		for looked := false; !looked && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case <-every.C:
				looked = true
			case <-r.dispatcher.Changed():
				again = time.After(0)
			case <-again:
				if err := r.follow(client); err != nil {
					report("inbox: River does not work a queue yet; it is tried again", err)
					again = time.After(joinPause)
				}
				looked = true
			case <-primary.C:
				report("inbox: looking whether the server takes writes", r.inbox.primary.check(ctx))
			case <-measure.C:
				_, err := r.inbox.measureClock(ctx)
				report("inbox: measuring the database's clock", err)
				report("inbox: moving deliveries that are due", r.inbox.moveDue(ctx)) // another process may differ
			case <-move.C:
				if r.inbox.skew.Load() != 0 {
					report("inbox: moving deliveries that are due", r.inbox.moveDue(ctx))
				}
			case <-poll.C:
				if !r.inbox.pollOnly {
					report("inbox: looking for deliveries that nothing has announced", r.announce(ctx))
				}
			}
		}
	}
}

// idlePoll is how often River looks into each queue by itself. One statement of ours looks into all of them more often.
const idlePoll = 30 * time.Second

// announceDue announces, as River does when it inserts a job, the queues that have jobs which nothing has announced. It
// reads one row for each queue that has available jobs.
const announceDue = `WITH RECURSIVE q AS (
    (SELECT queue FROM %[1]s WHERE state = 'available' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM %[1]s WHERE state = 'available' AND queue > q.queue ORDER BY queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL
)
SELECT pg_notify(coalesce($2, current_schema()) || '.river_insert', json_build_object('queue', queue)::text)
FROM q WHERE queue = ANY($1::text[])`

// announce has River look into the queues of this Run that have something. So an inbox with many endpoints costs one
// statement each Poll, and not one for each endpoint.
func (r *run) announce(ctx context.Context) error {
	names := slices.Collect(maps.Keys(r.hooks))
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

// absent warns of deliveries that this Run has no handler for: they lie in queues that it does not work.
func (r *run) absent(ctx context.Context, client *Client) error {
	known := []string{controlQueue}
	for name := range r.hooks {
		known = append(known, name)
	}
	for {
		list, err := client.JobList(ctx, river.NewJobListParams().Kinds(Kind).States(rivertype.JobStateAvailable).
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

// waitingParams selects deliveries without a callback for their type.
func waitingParams() *river.JobListParams {
	return river.NewJobListParams().Kinds(Kind).States(rivertype.JobStateScheduled).Metadata(`{"output":{"waiting":true}}`)
}

// unshelve has deliveries run that waited for a callback which a handler has now.
func (r *run) unshelve(ctx context.Context, client *Client) error {
	for name, hook := range r.hooks {
		waiting := waitingParams().Queues(name)
		types := []string{}
		for {
			list, err := client.JobList(ctx, waiting.Where("NOT args->>'type' = ANY(@types::text[])", river.NamedArgs{"types": types}).First(1))
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
			if err != nil || !hook.Handles(d.Type) {
				continue
			}
			if err := retryAll(ctx, client, waiting.Where("args->>'type' = @type", river.NamedArgs{"type": a.Type})); err != nil {
				return err
			}
		}
	}
	return nil
}

func retryAll(ctx context.Context, client *Client, params *river.JobListParams) error {
	for {
		list, err := client.JobList(ctx, params.First(page))
		if err != nil || len(list.Jobs) == 0 {
			return err
		}
		for _, row := range list.Jobs {
			if _, err := client.JobRetry(ctx, row.ID); err != nil && !errors.Is(err, rivertype.ErrNotFound) {
				return err
			}
		}
		params = params.After(list.LastCursor)
	}
}

// listen has the policy told of every delivery that becomes a dead letter in this process, once it is one.
func (b *Inbox) listen(client *Client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listening {
		return
	}
	b.listening = true
	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: eventsKept, Kinds: []river.EventKind{river.EventKindJobCancelled, river.EventKindJobFailed},
	})
	go func() {
		defer cancel()
		for event := range events { // until the client is stopped
			if event.Job.Kind != Kind || !isDead(event.Job) {
				continue
			}
			b.alerter.DeadLetter(entryOf(event.Job))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listening = false
	}()
}

// eventsKept is how many dead letters may wait for their log line. Those past it are in the log of River.
const eventsKept = 10_000
