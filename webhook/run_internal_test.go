package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A callback that has ended when the response is due has a result. The select that waits for both chooses at random.
func TestRun_PrefersResultToOverrun(t *testing.T) {
	for range 100 {
		r := &run{
			received: &received{arrival: arrival{respondBy: time.Now().Add(-time.Second)}},
			h:        new(Handler),
			lease:    new(idempotency.Lease),
			ended:    make(chan struct{}),
			result:   disposition{outcome: Handled},
		}
		close(r.ended)
		require.Equal(t, Handled, r.await().outcome)
	}
}
