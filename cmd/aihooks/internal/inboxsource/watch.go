package inboxsource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

const (
	poll      = time.Second // minimum time between two reads
	compared  = 100         // number of newest entries to compare, in addition to all counts
	readShare = 10          // reading takes at most one part in so many of the time
)

// Watch implements [page.Source]. It polls, because another process writes the file. For older entries, it notices only changes
// that change the counts.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		last := "" // the first read counts as a change, so that no change between List and Watch is missed
		for {
			began := time.Now()
			next := s.snapshot(ctx)
			if next != last {
				last = next
				select {
				case changes <- struct{}{}:
				default: // a change is already pending
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(poll, readShare*time.Since(began))):
			}
		}
	}()
	return changes
}

// snapshot returns a text that changes when the inbox changes. It returns the text of an error, so that the page asks again and
// shows the error.
func (s *Source) snapshot(ctx context.Context) string {
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return err.Error()
	}
	stats.Oldest = time.Time{} // changes without a change of the inbox
	list, err := s.List(ctx, page.Query{Limit: compared})
	if err != nil {
		return err.Error()
	}
	text, err := json.Marshal(struct {
		Stats any
		Items []page.Item
	}{stats, list.Items})
	if err != nil {
		return err.Error()
	}
	return string(text)
}
