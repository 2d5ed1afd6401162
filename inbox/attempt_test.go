package inbox_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

func TestAttemptJSON_KeepsDurationsExactly(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 999, 65_443, 9_324_499, 260_550_938, 2_076_456_828, time.Second + 1, 30*time.Hour + 7} {
		b, err := json.Marshal(inbox.Attempt{Took: d})
		require.NoError(t, err)
		var got inbox.Attempt
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, d, got.Took, string(b))
	}
	require.Error(t, json.Unmarshal([]byte(`{"took_ms":"1"}`), new(inbox.Attempt)))
}
