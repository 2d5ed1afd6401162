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
	stop := run(t, box, first)
	for _, id := range []string{"dead", "rests"} {
		_, err := box.Enqueue(t.Context(), newDelivery(id))
		require.NoError(t, err)
	}
	waits := newDelivery("waits")
	waits.Type = "agent.response"
	_, err := box.Enqueue(t.Context(), waits)
	require.NoError(t, err)
	eventually(t, func() bool {
		return len(deadLetters(t, box)) == 1 && messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 2
	})
	stop()
	attempts := first.calls.of("rests")
	stopServer(s)
	copied := options(t.TempDir())
	require.NoError(t, os.CopyFS(copied.StoreDir, os.DirFS(o.StoreDir)))

	js = dial(t, startServer(t, copied).ClientURL())
	box = open(t, js, jetstreaminbox.Options{})
	require.Equal(t, "dead", deadLetters(t, box)[0].Delivery.ID)
	d := newTestHandler(t, box, permanent)
	run(t, box, d)
	eventually(t, func() bool { return d.calls.of("rests") == 1 && len(deadLetters(t, box)) == 2 })
	for _, e := range deadLetters(t, box) {
		if e.Delivery.ID == "rests" {
			require.Len(t, e.Attempts, attempts+1)
			require.Equal(t, "before the backup", e.Attempts[0].Error)
		}
	}
	eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 }, "only the deferred delivery remains")
}
