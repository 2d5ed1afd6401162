package jetstream_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// A list that read ahead would hold the bodies of all dead letters.
func TestDead_LoadsOneBodyAtATime(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	const letters, size = 12, 1 << 20
	stop := run(t, box, newDesk(t, box, permanent))
	for i := range letters {
		d := parcel(fmt.Sprint(i))
		d.Body = letter(d.ID, size)
		_, err := box.Enqueue(t.Context(), d)
		require.NoError(t, err)
	}
	soon(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEAD") == letters && empty(t, js) })
	stop()
	read := func() uint64 { return js.Conn().Stats().InBytes }
	const encoded = size * 3 / 2 // base64, and the rest of a message
	for name, f := range map[string]inbox.Filter{"All": {All: true}, "Vendor": {Vendor: "workflux"}} {
		began, n := read(), uint64(0)
		for _, err := range box.DeadLetters(t.Context(), f) {
			require.NoError(t, err)
			n++
			require.Less(t, read()-began, n*encoded, "%s: what has not been asked for yet is not read", name)
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
