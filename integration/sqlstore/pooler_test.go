package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// TestPooler_ErrorNamesSetting makes the server forget the statements that the driver has prepared. A driver behind a
// pooler in transaction mode sees the same.
func TestPooler_ErrorNamesSetting(t *testing.T) {
	for name, dsn := range map[string]string{"prepared": "", "exec": unprepared} {
		t.Run(name, func(t *testing.T) {
			db := engines[0].open(t, engines[0].dsn(t)+dsn)
			db.SetMaxOpenConns(1)
			store := engines[0].store(t, db, 0)
			claim(t, store, "key", idempotency.Acquired)
			_, err := db.Exec("DEALLOCATE ALL")
			require.NoError(t, err)
			_, err = store.Claim(t.Context(), "other", idempotency.NewToken(), time.Minute)
			if name == "exec" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "26000")
			require.ErrorContains(t, err, "default_query_exec_mode=exec for pgx")
			require.ErrorContains(t, err, "binary_parameters=yes for lib/pq")
		})
	}
}
