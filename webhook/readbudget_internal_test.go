package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A budget lives as long as the process, so it must not keep the request of a body that it no longer lists.
func TestReadBudget_ForgetsUnlistedBodies(t *testing.T) {
	b := NewReadBudget(defaultReadBudget)
	var charges []*charge
	for range 5 {
		charges = append(charges, b.admit(time.Now().Add(time.Hour), func() {}))
	}
	for _, i := range []int{1, 4, 0, 2, 3} {
		charges[i].complete()
		charges[i].release()
	}
	require.Empty(t, b.reading)
	for _, c := range b.reading[:cap(b.reading)] {
		require.Nil(t, c)
	}
	require.Zero(t, b.used+b.arrived+b.leaving)
}
