package sqliteinbox_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// A damaged file, or one of a later release, can have rows with unknown states.
func TestEntries_UnknownStateIsAnError(t *testing.T) {
	t.Parallel()
	for _, state := range []int64{7, 17, -1, 1 << 40} {
		t.Run(fmt.Sprint(state), func(t *testing.T) {
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{})
			store(t, box, newDelivery("ping", "a"), newDelivery("ping", "b"))
			_, err := openRaw(t, path).Exec(`UPDATE aihooks_inbox SET state = ? WHERE id = 1`, state)
			require.NoError(t, err)
			want := fmt.Sprintf("a row has the state %d, which this release does not know", state)
			_, err = box.Stats(t.Context())
			require.ErrorContains(t, err, want)
			_, err = box.Entry(t.Context(), "1")
			require.ErrorContains(t, err, "entry 1: "+want)
			e, err := box.Entry(t.Context(), "2")
			require.NoError(t, err)
			require.Equal(t, inbox.Pending, e.State)
			for e, err := range box.Entries(t.Context(), inbox.Pending, inbox.Filter{All: true}) {
				require.NoError(t, err)
				require.Equal(t, "2", e.ID)
			}
		})
	}
}
