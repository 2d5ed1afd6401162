package idempotency

// Settled waits until the retries of a completion that failed have ended, and returns the last error: nil if one of
// them succeeded.
func (h *Lease) Settled() error {
	if h.settled == nil {
		return nil
	}
	<-h.settled
	return h.err
}
