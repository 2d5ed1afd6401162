package deadline

import (
	"context"
	"errors"
	"time"
)

// MaxGrace is how long callbacks have to return, and their outcomes to be recorded, after a shutdown has canceled them.
const MaxGrace = time.Second

// minGrace is that time where the deadline has passed long before.
const minGrace = 100 * time.Millisecond

// Grace returns how much of this time is left after the end of a shutdown's context. Steps of a shutdown that share a
// context share the second after its deadline as well, so that their times do not add up.
func Grace(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return MaxGrace
	}
	return min(max(time.Until(end.Add(MaxGrace)), minGrace), MaxGrace)
}
