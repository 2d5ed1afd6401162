package sqliteinbox

import (
	"context"
	"database/sql"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// PurgeOnce applies the retention rules once, as the purge loop does.
func (b *Inbox) PurgeOnce(ctx context.Context) { b.purgeOnce(ctx, b.options.retentionRules()) }

// ResumeDeferred and ReleaseLost make every Run do what its maintenance does: resume deferred deliveries, and release those of
// lost processes.
func (b *Inbox) ResumeDeferred(ctx context.Context) error { return b.eachRun(ctx, (*run).resume) }
func (b *Inbox) ReleaseLost(ctx context.Context) error    { return b.eachRun(ctx, (*run).releaseLost) }

// ListAtMost sets how many entries List reads for one page.
func (b *Inbox) ListAtMost(n int) { b.maxListed = n }

// Entries is [Inbox.entries].
func (b *Inbox) Entries(ctx context.Context, s inbox.State, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return b.entries(ctx, s, f)
}

// LookForAbsent makes every Run warn of deliveries for which it has no handler.
func (b *Inbox) LookForAbsent(ctx context.Context) error { return b.eachRun(ctx, (*run).lookForAbsent) }

// DueByEndpoint is the query that a Run finds due deliveries with.
const DueByEndpoint = dueByEndpoint

func (b *Inbox) eachRun(ctx context.Context, f func(*run, context.Context) error) error {
	b.mu.Lock()
	runs := slices.Collect(maps.Keys(b.runs))
	b.mu.Unlock()
	for _, r := range runs {
		if err := f(r, ctx); err != nil {
			return err
		}
	}
	return nil
}

// TryEmptyLog truncates the write-ahead log, and reports whether it did.
func (b *Inbox) TryEmptyLog(ctx context.Context) (emptied bool, err error) { return b.emptyLog(ctx) }

// StopPurging stops the purge loop.
func (b *Inbox) StopPurging() {
	b.stop()
	b.purging.Wait()
}

// IsPurging reports whether the inbox has a purge loop.
func (b *Inbox) IsPurging() bool { return b.stop != nil }

// RefuseAfter sets how long Runs may fail before new deliveries are refused.
func (b *Inbox) RefuseAfter(d time.Duration) { b.health.refuseAfter = d }

// LockTimeout is how long another process may keep the file locked, unless SetLockTimeout sets another time.
const LockTimeout = lockTimeout

func (b *Inbox) SetLockTimeout(d time.Duration) {
	b.writer.writeLock <- struct{}{}
	b.writer.lockTimeout = d
	<-b.writer.writeLock
}

// Handles returns the databases of the inbox: the one for writes and the one for reads.
func (b *Inbox) Handles() []*sql.DB { return []*sql.DB{b.db, b.reads} }

// source is [Inbox.source] for a file that may not exist.
func source(path string, pragmas ...[]string) string {
	pragmas = append(slices.Clip(pragmas), []string{"journal_mode(WAL)"})
	return strings.Replace((&Inbox{path: path}).source(pragmas...), "&mode=rw", "&mode=rwc", 1)
}

// RetryBusy is how Open waits for a lock, and Await is how Transact does.
func RetryBusy(ctx context.Context, f func() error) error        { return retryBusy(ctx, f) }
func (b *Inbox) Await(ctx context.Context, f func() error) error { return b.writer.await(ctx, f) }

// HasProblem reports whether the last write, or the current one, has a problem of the file.
func (b *Inbox) HasProblem() bool { return b.writer.problem.Load() != nil }

// CountRuns returns the number of Runs.
func (b *Inbox) CountRuns() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs)
}
