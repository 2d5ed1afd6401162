package riverinbox

import (
	"context"
	"errors"
	"fmt"
)

// Ready returns nil if the inbox can store a delivery now, or the reason why not. It asks the server once. A server that
// accepts no writes, such as a standby, is not ready.
func (b *Inbox) Ready(ctx context.Context) error {
	if b.client.Load() == nil {
		return errNoClient
	}
	var readOnly bool
	err := b.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::bool`).Scan(&readOnly)
	switch {
	case err != nil:
		return fmt.Errorf("riverinbox: %w", err)
	case readOnly:
		return errors.New("riverinbox: the server accepts no writes")
	default:
		return nil
	}
}
