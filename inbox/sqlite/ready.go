package sqliteinbox

import (
	"context"
	"errors"
	"time"
)

// Ready returns nil if the inbox can store a delivery now, or the reason why not. The reason wraps [webhook.ErrInboxFull] past
// Options.MaxPending or below Options.MinFree. It is cheap: it uses what the inbox knows, and counts again only when full.
func (b *Inbox) Ready(ctx context.Context) error {
	if err := b.usable(); err != nil {
		return err
	}
	return b.space.check(ctx, b)
}

// usable returns an error if the inbox must not store deliveries at all.
func (b *Inbox) usable() error {
	switch {
	case b.readOnly:
		return ErrReadOnly
	case b.closed.Load():
		return ErrClosed
	}
	return errors.Join(b.health.check(), b.files.check(time.Now().Add(-lookEvery)))
}
