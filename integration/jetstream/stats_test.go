package jetstream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestStats_RunningIsOfThisProcess(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	box, other := open(t, dial(t, url), jetstreaminbox.Options{}), open(t, dial(t, url), jetstreaminbox.Options{})
	began, end := make(chan struct{}), make(chan struct{})
	d := newTestHandler(t, box, func(context.Context, string) error {
		close(began)
		<-end
		return nil
	})
	_, err := box.Enqueue(t.Context(), newDelivery("a"))
	require.NoError(t, err)
	inboxkit.Run(t, box, d)
	<-began
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Running: 1}, stats.Counts)
	require.Zero(t, stats.Oldest)
	stats, err = other.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Pending: 1}, stats.Counts)
	require.NotZero(t, stats.Oldest)
	close(end)
	kit.Eventually(t, func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Counts == inbox.Counts{}
	})
}

// The search for the oldest due delivery reads each with its body, so it has a limit.
func TestStats_LimitsSearchForOldest(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	first := s.CachedInfo().State.FirstSeq
	enqueueWaiting := func(i int) time.Time { // with an attempt record that is due in an hour
		_, err := box.Enqueue(t.Context(), newDelivery(fmt.Sprint(i)))
		require.NoError(t, err)
		m, err := s.GetMsg(t.Context(), first+uint64(i))
		require.NoError(t, err)
		subject := fmt.Sprintf("%s.attempts.%d-%d", jetstreaminbox.DefaultName, m.Sequence, m.Time.UnixNano())
		_, err = js.Publish(t.Context(), subject, fmt.Appendf(nil, `{"rest":%d}`, time.Hour))
		require.NoError(t, err)
		return m.Time
	}
	const limit = 100
	for i := range limit {
		enqueueWaiting(i)
	}
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Pending: limit}, stats.Counts)
	require.Zero(t, stats.Oldest, "none is due")
	at := enqueueWaiting(limit)
	stats, err = box.Stats(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, at, stats.Oldest, 5*time.Second, "it is not known whether this one is due")
}
