package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

const (
	claimers    = 16
	claimedKeys = 200
)

// claimWorker claims every key once, as fast as it can, and prints the acquired keys.
func claimWorker() error {
	_, store := workersStore()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	for i := range claimedKeys {
		claim, err := store.Claim(context.Background(), fmt.Sprint("key-", i), idempotency.NewToken(), time.Hour)
		check(err)
		if claim.State == idempotency.Acquired {
			fmt.Println(i)
		}
	}
	fmt.Println("done")
	return nil
}

func TestClaim_GrantsKeyToOneProcess(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		e.store(t, db, 0)
		list := make([]*kit.Process, claimers)
		for i := range list {
			list[i] = startWorker(t, "claims", e, dsn)
		}
		for _, w := range list {
			require.Equal(t, "ready", w.Line(t))
		}
		for _, w := range list {
			_, err := fmt.Fprintln(w.Stdin)
			require.NoError(t, err)
		}
		winners := make(map[string]int)
		ended := 0
		for _, w := range list {
			for w.Stdout.Scan() {
				if w.Stdout.Text() == "done" {
					ended++
					break
				}
				winners[w.Stdout.Text()]++
			}
		}
		require.Equal(t, claimers, ended, "every worker has claimed every key")
		require.Len(t, winners, claimedKeys)
		for key, n := range winners {
			require.Equal(t, 1, n, "winners of key %s", key)
		}
		require.Equal(t, claimedKeys, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE attempt = 1 AND state = 1`))
	})
}
