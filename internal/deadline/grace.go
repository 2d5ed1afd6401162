package deadline

import (
	"context"
	"errors"
	"time"
)

// MaxGrace is how long callbacks have to return after a shutdown has canceled them. It includes recording their outcomes.
const MaxGrace = time.Second

// minGrace is the grace period if the deadline passed long ago.
const minGrace = 100 * time.Millisecond

// Grace returns how much of MaxGrace is left after the end of a shutdown's context. The steps of a shutdown share a context,
// and so share the second after its deadline. Their grace periods do not add up.
func Grace(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return MaxGrace
	}
	return min(max(time.Until(end.Add(MaxGrace)), minGrace), MaxGrace)
}
