package emberqa_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
)

// EmberQA waits for a response six times as long as the other vendors. A copy within half of the shortest pause comes from
// a proxy.
func TestProfile_HasTheVendorsTimes(t *testing.T) {
	p := emberqa.Profile()
	require.Equal(t, 30*time.Second, p.RespondWithin)
	require.Equal(t, 2*time.Second, p.ShortestPause)
}
