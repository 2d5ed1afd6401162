package jetstream_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A server that is killed may keep acknowledgements, which are in the folder of the consumer, and lose the removal of the
// messages, which is in the folder of the stream.
func TestRestored_RunsOnlyWhatTheStoreDoesNotKnow(t *testing.T) {
	for name, c := range map[string]struct {
		keepsStore bool
		calls      int
	}{
		"completed":     {keepsStore: true, calls: 0},
		"not completed": {keepsStore: false, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := restartable(t)
			s := startServer(t, o)
			js := dial(t, s.ClientURL())
			store := memory(t)
			box := open(t, js, jetstreaminbox.Options{Store: store})
			newTestHandler(t, box, succeed)
			for _, id := range []string{"first", "dead", "last"} {
				_, err := box.Enqueue(t.Context(), newDelivery(id))
				require.NoError(t, err)
			}
			messagesDir := filepath.Join(o.StoreDir, "jetstream", "$G", "streams", jetstreaminbox.DefaultName, "msgs")
			before := t.TempDir()
			stopServer(s)
			require.NoError(t, os.CopyFS(before, os.DirFS(messagesDir)))
			s = startServer(t, o)
			js = dial(t, s.ClientURL())
			box = open(t, js, jetstreaminbox.Options{Store: store})
			stop := inboxkit.Run(t, box, newTestHandler(t, box, func(ctx context.Context, name string) error {
				if name == "dead" {
					return permanent(ctx, name)
				}
				return nil
			}))
			kit.Eventually(t, func() bool { return empty(t, js) })
			stop()
			stopServer(s)
			require.NoError(t, os.RemoveAll(messagesDir))
			require.NoError(t, os.CopyFS(messagesDir, os.DirFS(before)))
			js = dial(t, startServer(t, o).ClientURL())
			if !c.keepsStore {
				store = memory(t)
			}
			box = open(t, js, jetstreaminbox.Options{Store: store})
			require.EqualValues(t, 3, messages(t, js, jetstreaminbox.DefaultName))
			requireAcknowledged(t, js)
			again := newTestHandler(t, box, succeed)
			inboxkit.Run(t, box, again)
			kit.Eventually(t, func() bool { return empty(t, js) })
			require.Equal(t, c.calls, again.Calls.Of("first"))
			require.Equal(t, c.calls, again.Calls.Of("last"))
			require.Zero(t, again.Calls.Of("dead"))
			require.Len(t, inboxkit.DeadLetters(t, box), 1)
		})
	}
}

// requireAcknowledged requires that the server will not deliver any message by itself.
func requireAcknowledged(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	consumer, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
	require.NoError(t, err)
	info, err := consumer.Info(t.Context())
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	require.Equal(t, s.CachedInfo().State.LastSeq, info.AckFloor.Stream)
	require.Zero(t, info.NumAckPending)
}
