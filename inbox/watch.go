package inbox

import (
	"context"
	"encoding/json"
	"time"
)

// The times of Watch.
const (
	watchEvery = time.Second // the minimum time between two reads
	readShare  = 10          // reading takes at most one part in so many of the time
	watched    = 100         // newest entries that are compared, in addition to all counts
)

// Watch returns a channel that receives a value after the inbox has changed. One value may mean many changes. The first
// one comes at once. The channel is closed after ctx has ended. Watch asks the engine about once a second, because any process
// may change the inbox. A change of an older entry is noticed only if it changes a count. An error of the engine is a change
// too.
func Watch(ctx context.Context, o Operator) <-chan struct{} {
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		last := "" // no snapshot is empty
		for {
			began := time.Now()
			if next := snapshot(ctx, o); next != last {
				last = next
				select {
				case changes <- struct{}{}:
				default: // a change is already pending
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(watchEvery, readShare*time.Since(began))):
			}
		}
	}()
	return changes
}

// snapshot returns a text that changes when the inbox changes.
func snapshot(ctx context.Context, o Operator) string {
	stats, err := o.Stats(ctx)
	if err != nil {
		return err.Error()
	}
	stats.Oldest = time.Time{} // changes without a change of the inbox
	page, err := o.List(ctx, Query{Limit: watched})
	if err != nil {
		return err.Error()
	}
	pauses, err := o.Pauses(ctx)
	if err != nil {
		return err.Error()
	}
	page.ReadUntil = time.Time{}
	text, err := json.Marshal([]any{stats, page, pauses})
	if err != nil {
		return err.Error()
	}
	return string(text)
}
