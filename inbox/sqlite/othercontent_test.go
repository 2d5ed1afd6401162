package sqliteinbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEnqueue_ReportsOtherContent(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	first := newDelivery("ping", "a")
	other := *first
	store(t, box, first)
	for _, body := range []string{`{"id":"a"} `, `{"id":"b"}`, ``} {
		other.Body = []byte(body)
		duplicate, err := box.Enqueue(t.Context(), &other)
		require.True(t, duplicate)
		require.ErrorIs(t, err, webhook.ErrOtherContent)
	}
	duplicate, err := box.Enqueue(t.Context(), first)
	require.True(t, duplicate)
	require.NoError(t, err)
}
