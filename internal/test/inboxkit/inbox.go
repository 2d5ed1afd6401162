package inboxkit

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// Run runs the inbox until the test ends, or until stop is called.
func Run(t testing.TB, box inbox.Inbox, handlers ...inbox.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, handlers...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended) // require would end a Cleanup of a failed test with a panic
	})
	t.Cleanup(stop)
	return stop
}

// DeadLetters returns all dead letters.
func DeadLetters(t testing.TB, box inbox.Inbox) []inbox.Entry {
	t.Helper()
	var list []inbox.Entry
	for e, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// NewDelivery returns a delivery to the default endpoint of a vendor, for a direct Enqueue. Its key comes from its ID.
func NewDelivery(vendor, eventType, id string, body []byte) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: vendor, Endpoint: "default", Type: eventType, ID: id, Keys: []string{vendor + "/default/" + id},
		ReceivedAt: time.Now().UTC().Round(0), Body: body,
	}
}
