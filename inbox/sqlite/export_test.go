package sqlite

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"
)

// Tidy does what the housekeeping does now and then.
func (b *Inbox) Tidy(ctx context.Context) { b.purgeOnce(ctx, b.options.retentionRules()) }

// Resume has every Run look for deliveries that wait for a callback, and Rescue for those whose process is not heard of,
// as they do now and then.
func (b *Inbox) Resume(ctx context.Context) error { return b.eachRun(ctx, (*run).resume) }
func (b *Inbox) Rescue(ctx context.Context) error { return b.eachRun(ctx, (*run).releaseLost) }

// LookForAbsent has every Run warn of deliveries that it has no handler for, as it does now and then.
func (b *Inbox) LookForAbsent(ctx context.Context) error { return b.eachRun(ctx, (*run).lookForAbsent) }

// DueByHook is the query by which a Run looks for what is due.
const DueByHook = dueByEndpoint

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

// TryEmptyLog truncates the write-ahead log, as the housekeeping does once it is long, and reports whether it did.
func (b *Inbox) TryEmptyLog(ctx context.Context) (emptied bool, err error) { return b.emptyLog(ctx) }

// StopKeeping ends the housekeeping.
func (b *Inbox) StopKeeping() {
	b.stop()
	b.purging.Wait()
}

// KeepsHouse tells whether the inbox purges what is old.
func (b *Inbox) KeepsHouse() bool { return b.stop != nil }

// RefuseAfter sets how long Runs may fail until new deliveries are refused.
func (b *Inbox) RefuseAfter(d time.Duration) { b.health.refuseAfter = d }

// Handles returns the databases of the inbox: the one that writes and the one that reads.
func (b *Inbox) Handles() []*sql.DB { return []*sql.DB{b.db, b.reads} }

// source is [Inbox.source] of a file that need not be there.
func source(path string, pragmas ...[]string) string {
	pragmas = append(slices.Clip(pragmas), []string{"journal_mode(WAL)"})
	return strings.Replace((&Inbox{path: path}).source(pragmas...), "&mode=rw", "&mode=rwc", 1)
}

// CountRuns returns how many Runs there are.
func (b *Inbox) CountRuns() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs)
}
