package sqlite

import "context"

// Tidy does what the housekeeping does now and then.
func (b *Inbox) Tidy(ctx context.Context) { b.tidy(ctx, b.options.brooms()) }

// Unshelve has every Run look for deliveries that wait for a callback, as it does now and then.
func (b *Inbox) Unshelve(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		b.mu.Unlock()
		err := r.unshelve(ctx)
		b.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// EmptyLog truncates the write-ahead log, as the housekeeping does once it is long.
func (b *Inbox) EmptyLog(ctx context.Context) error { return b.emptyLog(ctx) }
