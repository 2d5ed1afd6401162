package jetstreaminbox

import "context"

// Ready returns nil if the inbox can store a delivery now, or the reason why not. It asks the server for each stream. A full
// stream is found only when a delivery is stored.
func (b *Inbox) Ready(ctx context.Context) error {
	if b.attached {
		return errAttached
	}
	return b.examine(ctx)
}
