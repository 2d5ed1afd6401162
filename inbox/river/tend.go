package riverinbox

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// tendEvery is how often a Run looks after what River does not.
const tendEvery = time.Minute

// tend looks after what River does not, until ctx ends.
func (r *run) tend(ctx context.Context, client *Client) {
	every := time.NewTicker(tendEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		if err := errors.Join(r.absent(ctx, client), r.unshelve(ctx, client)); err != nil && ctx.Err() == nil {
			r.inbox.options.Policy.Logger.Error("inbox: looking for deliveries that wait", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-every.C:
		}
	}
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

// unshelve has deliveries run that waited for a callback which a handler has now.
func (r *run) unshelve(ctx context.Context, client *Client) error {
	for name, hook := range r.hooks {
		waiting := river.NewJobListParams().Kinds(Kind).Queues(name).States(rivertype.JobStateScheduled).Metadata(`{"output":{"waiting":true}}`)
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
