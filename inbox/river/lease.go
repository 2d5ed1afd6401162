package riverinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// A lease is a job that a Run renews while its callback runs. A rescued job has another attempt when it runs again.
type lease struct {
	ID      int64
	Attempt int
}

// renewPause is how long a Run waits after it could not renew leases.
const renewPause = time.Second

// renewLoop renews the leases of this Run until ctx ends.
func (r *run) renewLoop(ctx context.Context) {
	for wait := r.inbox.options.Lease / 3; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = r.inbox.options.Lease / 3
		if err := r.renew(ctx); err != nil {
			wait = min(wait, renewPause)
			r.report(ctx, "inbox: renewing leases failed", err)
		}
	}
}

// renewRunning sets the time that River's rescuer looks at, for the jobs that still run the same attempt.
const renewRunning = `UPDATE %s AS job SET attempted_at = now() FROM unnest($1::bigint[], $2::int[]) AS held(id, attempt)
WHERE job.id = held.id AND job.attempt = held.attempt AND job.state = 'running' RETURNING job.id, job.attempt`

// renew renews the leases of this Run.
func (r *run) renew(ctx context.Context) error {
	began := time.Now()
	var ids []int64
	var attempts []int
	r.mu.RLock()
	for l := range r.leases {
		ids, attempts = append(ids, l.ID), append(attempts, l.Attempt)
	}
	r.mu.RUnlock()
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.inbox.options.Lease/3)
	defer cancel()
	var renewed []lease
	err := r.inbox.primary.do(func() error {
		rows, err := r.inbox.pool.Query(ctx, fmt.Sprintf(renewRunning, r.inbox.jobTable()), ids, attempts)
		if err == nil {
			renewed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[lease])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("riverinbox: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range renewed {
		if _, runs := r.leases[l]; runs {
			r.leases[l] = began
		}
	}
	return nil
}

// start calls f, and renews the job's lease from now on, unless the Run has ended.
func (r *run) start(job *river.Job[args], began time.Time, f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.leases[lease{job.ID, job.Attempt}] = began
	f()
	return true
}

// drop ends the renewal of a lease. It reports whether the lease holds, so that River cannot have rescued the job.
func (r *run) drop(job *river.Job[args]) (holds bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, whole := lease{job.ID, job.Attempt}, r.inbox.options.Lease
	renewed := r.leases[l]
	delete(r.leases, l)
	return time.Since(renewed) < whole-whole/10
}
