package inboxsource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

const (
	poll      = time.Second // between two looks, and a look may take a tenth of that at most
	lookedAt  = 100         // newest entries that are compared, beside all counts
	lookShare = 10
)

// Watch implements [page.Source]. Another process writes the file, so somebody has to look. Of entries further down only
// those changes are seen that are a change of the counts.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		last := "" // the first look counts as a change: what came between the page's question and that is not missed
		for {
			began := time.Now()
			next := s.look(ctx)
			if next != last {
				last = next
				select {
				case changes <- struct{}{}:
				default: // one that has not been received yet says it as well
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(poll, lookShare*time.Since(began))):
			}
		}
	}()
	return changes
}

// look returns a text that is another one once something has changed. An error is one as well: the page asks, and shows it.
func (s *Source) look(ctx context.Context) string {
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return err.Error()
	}
	stats.Oldest = time.Time{} // changes with the time alone
	list, err := s.List(ctx, page.Query{Limit: lookedAt})
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
