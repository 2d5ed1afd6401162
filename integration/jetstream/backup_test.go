package jetstream_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A copy of the server's folder has the deliveries, their attempts and the dead letters.
func TestBackup_KeepsDeliveriesAndAttempts(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	s := startServer(t, o)
	js := dial(t, s.ClientURL())
	rests := inbox.Policy{Backoff: func(int) time.Duration { return time.Second }}
	box := open(t, js, jetstreaminbox.Options{Policy: rests})
	first := newTestHandler(t, box, func(ctx context.Context, name string) error {
		if name == "dead" {
			return permanent(ctx, name)
		}
		return errors.New("before the backup")
	})
	stop := inboxkit.Run(t, box, first)
	for _, id := range []string{"dead", "rests"} {
		_, err := box.Enqueue(t.Context(), newDelivery(id))
		require.NoError(t, err)
	}
	waits := newDelivery("waits")
	waits.Type = "agent.response"
	_, err := box.Enqueue(t.Context(), waits)
	require.NoError(t, err)
	kit.Eventually(t, func() bool {
		return len(inboxkit.DeadLetters(t, box)) == 1 && messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 2
	})
	stop()
	attempts := first.Calls.Of("rests")
	stopServer(s)
	copied := options(t.TempDir())
	require.NoError(t, os.CopyFS(copied.StoreDir, os.DirFS(o.StoreDir)))

	js = dial(t, startServer(t, copied).ClientURL())
	box = open(t, js, jetstreaminbox.Options{})
	require.Equal(t, "dead", inboxkit.DeadLetters(t, box)[0].Delivery.ID)
	d := newTestHandler(t, box, permanent)
	inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return d.Calls.Of("rests") == 1 && len(inboxkit.DeadLetters(t, box)) == 2 })
	for _, e := range inboxkit.DeadLetters(t, box) {
		if e.Delivery.ID == "rests" {
			require.Len(t, e.Attempts, attempts+1)
			require.Equal(t, "before the backup", e.Attempts[0].Error)
		}
	}
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 }, "only the deferred delivery remains")
}
