package sqliteinbox_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

func TestOpen_KeepsTemporaryDataInMemory(t *testing.T) {
	const memory = 2 // see PRAGMA temp_store in SQLite's documentation
	for _, db := range openBox(t, pathOf(t), sqliteinbox.Options{}).Handles() {
		for range 3 {
			c, err := db.Conn(context.Background()) // open together, so that each is another connection
			require.NoError(t, err)
			defer c.Close()
			var mode int
			require.NoError(t, c.QueryRowContext(t.Context(), `PRAGMA temp_store`).Scan(&mode))
			require.Equal(t, memory, mode)
		}
	}
}
