package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// enqueue stores the delivery in the inbox.
func (h *Handler) enqueue(d *received) disposition {
	var duplicate bool
	limit := min(h.options.StoreTimeout, time.Until(d.respondBy))
	err := deadline.Call(d.detached, limit, func(ctx context.Context) (err error) {
		duplicate, err = h.options.Inbox.Enqueue(ctx, d.Delivery)
		return err
	})
	switch {
	case errors.Is(err, ErrOtherContent) && duplicate: // in this order: after a timeout, Enqueue may still set duplicate
		return disposition{outcome: Stored, reason: ReasonOtherContent, err: err}
	case errors.Is(err, ErrInboxFull):
		return disposition{outcome: Unavailable, reason: ReasonInboxFull, err: err}
	case err != nil:
		return disposition{outcome: Unavailable, reason: ReasonInbox, err: fmt.Errorf("webhook: the inbox: %w", err)}
	case duplicate:
		return disposition{outcome: Stored, reason: ReasonStoredBefore}
	default:
		return disposition{outcome: Stored}
	}
}
