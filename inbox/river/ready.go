package riverinbox

import (
	"context"
	"fmt"
)

// Ready returns nil if the inbox can store a delivery now, or the reason why not. It asks the server once.
func (b *Inbox) Ready(ctx context.Context) error {
	if b.client.Load() == nil {
		return errNoClient
	}
	if err := b.primary.do(func() error { return b.pool.Ping(ctx) }); err != nil {
		return fmt.Errorf("riverinbox: %w", err)
	}
	return nil
}
