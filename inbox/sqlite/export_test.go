package sqlite

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Tidy does what the housekeeping does now and then.
func (b *Inbox) Tidy(ctx context.Context) { b.tidy(ctx, b.options.brooms()) }

// Unshelve has every Run look for deliveries that wait for a callback, and Rescue for those whose process is not heard of,
// as they do now and then.
func (b *Inbox) Unshelve(ctx context.Context) error { return b.eachRun(ctx, (*run).unshelve) }
func (b *Inbox) Rescue(ctx context.Context) error   { return b.eachRun(ctx, (*run).rescue) }

// LookForAbsent has every Run warn of deliveries that it has no handler for, as it does now and then.
func (b *Inbox) LookForAbsent(ctx context.Context) error { return b.eachRun(ctx, (*run).lookForAbsent) }

// DueByHook is the query by which a Run looks for what is due.
const DueByHook = dueByHook

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

// EmptyLog truncates the write-ahead log, as the housekeeping does once it is long. It tries until no other connection reads
// or writes: the housekeeping may be doing so.
func (b *Inbox) EmptyLog(ctx context.Context) error {
	for {
		if emptied, err := b.emptyLog(ctx); emptied || err != nil || !pause(ctx, lastPause) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// StopKeeping ends the housekeeping.
func (b *Inbox) StopKeeping() {
	b.stop()
	b.keeping.Wait()
}

// KeepsHouse tells whether the inbox purges what is old.
func (b *Inbox) KeepsHouse() bool { return b.stop != nil }
