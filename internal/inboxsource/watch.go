package inboxsource

import (
	"context"

	"github.com/aihooks/aihooks-go/inbox"
)

// Watch implements [page.Source].
func (s *Source) Watch(ctx context.Context) <-chan struct{} { return inbox.Watch(ctx, s.box) }
