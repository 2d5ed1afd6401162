package jetstream_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// If the list read ahead, it would hold the bodies of all dead letters in memory.
func TestDead_LoadsOneBodyAtATime(t *testing.T) {
	t.Parallel()
	url := newServer(t).ClientURL()
	js := dial(t, url)
	box := open(t, js, jetstreaminbox.Options{})
	const count, size = 12, 1 << 20
	stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
	for i := range count {
		d := newDelivery(fmt.Sprint(i))
		d.Body = inboxkit.MessageBody(d.ID, size)
		_, err := box.Enqueue(t.Context(), d)
		require.NoError(t, err)
	}
	kit.Eventually(t, func() bool {
		return messages(t, js, jetstreaminbox.DefaultName+"_DEADLETTERS") == count && empty(t, js)
	})
	stop()
	js = dial(t, url) // what the Run requested may still arrive on its connection
	box = open(t, js, jetstreaminbox.Options{})
	read := func() uint64 { return js.Conn().Stats().InBytes }
	const encoded = size * 3 / 2 // base64 and the headers
	for name, f := range map[string]inbox.Filter{"All": {All: true}, "Vendor": {Vendor: "workflux"}} {
		began, n := read(), uint64(0)
		for _, err := range box.DeadLetters(t.Context(), f) {
			require.NoError(t, err)
			n++
			require.Less(t, read()-began, n*encoded, "%s: later entries must not be read yet", name)
			if n == 5 {
				break
			}
		}
		require.Less(t, read()-began, uint64(6*encoded))
	}
	began, id := read(), ""
	for e, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
		require.NoError(t, err)
		id = e.ID
		break
	}
	for range box.DeadLetters(t.Context(), inbox.Filter{ID: id}) {
	}
	for range box.DeadLetters(t.Context(), inbox.Filter{Vendor: "workflux", Endpoint: "other"}) {
	}
	require.Less(t, read()-began, uint64(3*encoded), "the server selects by id, vendor and endpoint")
}
