package riverinbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// maxListed is how many jobs List reads for one page, and listAtOnce how many one query reads at most.
const (
	maxListed  = 10_000
	listAtOnce = 1000
)

// List implements [inbox.Operator]. A page reads at most 10,000 jobs, and never sends their bodies to the client. The
// newest jobs come first. Discard inserts a new job, so a discarded delivery is listed by when it was discarded, and without
// its attempts. ReadUntil is when the last job that was read was inserted. Call List after Use.
func (b *Inbox) List(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	q, err := engine.CheckQuery(q)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("riverinbox: %w", err)
	}
	if b.client.Load() == nil {
		return inbox.Page{}, errNoClient
	}
	before := int64(math.MaxInt64)
	if q.Cursor != "" {
		if before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil {
			return inbox.Page{}, fmt.Errorf("riverinbox: %w", engine.ErrCursor)
		}
	}
	page, err := b.list(ctx, &q, before)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("riverinbox: %w", err)
	}
	return page, nil
}

func (b *Inbox) list(ctx context.Context, q *inbox.Query, before int64) (page inbox.Page, err error) {
	ids, more, err := b.candidates(ctx, q, before)
	if err != nil {
		return page, err
	}
	last := int64(0)
	for n := q.Limit + 1; len(ids) > 0; n = min(2*n, listAtOnce) {
		some := ids[:min(n, len(ids))]
		ids, last = ids[len(some):], some[len(some)-1]
		if err := b.readListed(ctx, q, some, &page); err != nil || page.Next != "" {
			return page, err
		}
	}
	if more {
		page.Next = strconv.FormatInt(last, 10)
		err = b.pool.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce((SELECT created_at FROM %s WHERE id = $1), now())`, b.jobTable()), last).Scan(&page.ReadUntil)
		page.ReadUntil = page.ReadUntil.UTC()
	}
	return page, err
}

// candidates returns the IDs of up to maxListed jobs below before, the newest first, which include all jobs that the query
// selects among them. more reports whether there may be further ones.
//
// If few jobs are in the query's states and queues, an index finds them, because they may come after a million others. The
// index is in another order than the list. So otherwise, all jobs are read in order.
func (b *Inbox) candidates(ctx context.Context, q *inbox.Query, before int64) (ids []int64, more bool, err error) {
	if q.ID != "" {
		id, err := strconv.ParseInt(q.ID, 10, 64)
		if err != nil || id >= before {
			return nil, false, nil //nolint:nilerr // no job has this ID
		}
		return []int64{id}, false, nil
	}
	ids, err = b.fewInState(ctx, q)
	if err != nil {
		return nil, false, err
	}
	if len(ids) <= b.maxListed {
		ids = slices.DeleteFunc(ids, func(id int64) bool { return id >= before })
		slices.SortFunc(ids, func(x, y int64) int { return cmp.Compare(y, x) })
		return ids, false, nil
	}
	ids, err = b.queryIDs(ctx, fmt.Sprintf(`SELECT id FROM %s WHERE id < $1 ORDER BY id DESC LIMIT $2`, b.jobTable()), before, b.maxListed)
	return ids, len(ids) == b.maxListed, err
}

// These queries select up to $1 jobs by their states and queues, in no order. They read an index. The first one finds the
// queues. The second one has the queues in $2.
const (
	findInQueues = `WITH RECURSIVE found(state, queue) AS (
    SELECT s, (SELECT queue FROM %[1]s WHERE state = s ORDER BY queue LIMIT 1) FROM unnest(%[2]s) s
    UNION ALL
    SELECT state, (SELECT j.queue FROM %[1]s j WHERE j.state = f.state AND j.queue > f.queue ORDER BY j.queue LIMIT 1)
    FROM found f WHERE queue IS NOT NULL
)` + idsOfFound + ` WHERE (queue = $2 OR starts_with(queue, $2 || '|')) AND %[3]s LIMIT $1`
	findInQueue = `WITH found(state, queue) AS (SELECT s, q FROM unnest(%[2]s) s, unnest($2::text[]) q)` +
		idsOfFound + ` WHERE %[3]s LIMIT $1`
	idsOfFound = `
SELECT id FROM found f, LATERAL (
    SELECT id FROM %[1]s j WHERE j.state = f.state AND j.queue = f.queue ORDER BY j.priority, j.scheduled_at, j.id LIMIT $1
) j`
)

// fewInState returns the IDs of up to maxListed+1 jobs in the states and queues that the query selects.
func (b *Inbox) fewInState(ctx context.Context, q *inbox.Query) ([]int64, error) {
	condition, states := inStates(q.State)
	list := fmt.Sprintf("ARRAY['%s']::%s[]", strings.Join(states, "', '"), qualified(b.schema, "river_job_state"))
	if q.Vendor != "" && q.Endpoint != "" {
		queues := []string{queueOf(q.Vendor, q.Endpoint), controlQueue}
		return b.queryIDs(ctx, fmt.Sprintf(findInQueue, b.jobTable(), list, condition), b.maxListed+1, queues)
	}
	return b.queryIDs(ctx, fmt.Sprintf(findInQueues, b.jobTable(), list, condition), b.maxListed+1, controlQueue)
}

// inStates returns a condition for the jobs of a state, as far as the columns state and queue show it, and River's states
// of these jobs.
func inStates(s inbox.State) (condition string, states []string) {
	for _, of := range rivertype.JobStates() {
		if s == "" || s == inbox.Done || s == stateOf(of) || s == inbox.Deferred && of == rivertype.JobStateScheduled {
			states = append(states, string(of))
		}
	}
	switch s {
	case "":
		return "true", states
	case inbox.Done: // the control queue has discarded deliveries
		return "(state = 'completed' OR queue = '" + controlQueue + "')", states
	default:
		return "state IN ('" + strings.Join(states, "', '") + "') AND queue <> '" + controlQueue + "'", states
	}
}

func (b *Inbox) queryIDs(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := b.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// selectListed selects what a list shows of the jobs $1. It reads args once, which are large, and only of jobs that may be
// in the list. River's errors are necessary only for attempts that are not in the output.
const selectListed = `SELECT id, state::text, queue, attempt, attempted_at, created_at, scheduled_at, finalized_at, args - 'body', metadata->'output',
    CASE WHEN coalesce(metadata->'output'->'seen', '0') < to_jsonb(attempt) THEN to_jsonb(errors) END
FROM %s WHERE id = ANY($1::bigint[]) AND kind = $2 AND %s ORDER BY id DESC`

const onlyDeferred = ` AND metadata->'output'->'deferred' = 'true'`

// errFull ends the reading of a page.
var errFull = errors.New("the page is full")

// readListed adds the entries that the query selects among some jobs. It sets page.Next if the page is full.
func (b *Inbox) readListed(ctx context.Context, q *inbox.Query, ids []int64, page *inbox.Page) error {
	condition, _ := inStates(q.State)
	if q.State == inbox.Deferred {
		condition += onlyDeferred
	}
	rows, err := b.pool.Query(ctx, fmt.Sprintf(selectListed, b.jobTable(), condition), ids, Kind)
	if err != nil {
		return err
	}
	var j listedJob
	_, err = pgx.ForEachRow(rows, []any{&j.ID, &j.State, &j.Queue, &j.Attempt, &j.AttemptedAt, &j.CreatedAt, &j.ScheduledAt, &j.FinalizedAt,
		&j.args, &j.output, &j.errors}, func() error {
		e := b.entryOf(j.row())
		if !q.Matches(&e) {
			return nil
		}
		if len(page.Entries) == q.Limit {
			page.Next = page.Entries[q.Limit-1].ID
			return errFull
		}
		page.Entries = append(page.Entries, engine.Listed(e))
		return nil
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return err
}

// A listedJob is a row of selectListed.
type listedJob struct {
	ID                       int64
	State, Queue             string
	Attempt                  int
	AttemptedAt, FinalizedAt *time.Time
	CreatedAt, ScheduledAt   time.Time
	args, output, errors     []byte
}

// row returns the job without its body.
func (j *listedJob) row() *rivertype.JobRow {
	row := &rivertype.JobRow{
		ID: j.ID, State: rivertype.JobState(j.State), Queue: j.Queue, Attempt: j.Attempt, AttemptedAt: j.AttemptedAt,
		CreatedAt: j.CreatedAt, ScheduledAt: j.ScheduledAt, FinalizedAt: j.FinalizedAt, EncodedArgs: j.args, Metadata: []byte("{}"),
	}
	if j.output != nil {
		row.Metadata = slices.Concat([]byte(`{"output":`), j.output, []byte(`}`))
	}
	if j.errors != nil {
		_ = json.Unmarshal(j.errors, &row.Errors) // otherwise the lost attempts have no text
	}
	return row
}

// Entry implements [inbox.Operator]. The ID is that of the job. Call Entry after Use.
func (b *Inbox) Entry(ctx context.Context, id string) (inbox.Entry, error) {
	client := b.client.Load()
	if client == nil {
		return inbox.Entry{}, errNoClient
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return inbox.Entry{}, fmt.Errorf("riverinbox: %w: ID %q must be a number", inbox.ErrNotFound, id)
	}
	row, err := client.JobGet(ctx, n)
	switch {
	case errors.Is(err, rivertype.ErrNotFound) || err == nil && row.Kind != Kind:
		return inbox.Entry{}, fmt.Errorf("riverinbox: %w: %s", inbox.ErrNotFound, id)
	case err != nil:
		return inbox.Entry{}, fmt.Errorf("riverinbox: %w", err)
	}
	return b.entryOf(row), nil
}
