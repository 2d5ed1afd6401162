//go:build unix

package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/redistest"
)

const (
	racers    = 16
	raceKeys  = 200
	raceLease = 10 * time.Minute
)

// race claims all keys at once, once it is told to, and prints those that it got.
func race() {
	s := theirStore()
	fmt.Println("ready")
	_ = bufio.NewScanner(os.Stdin).Scan()
	got := make([]bool, raceKeys)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			claim, err := s.Claim(context.Background(), strconv.Itoa(i), idempotency.NewToken(), raceLease)
			if err != nil {
				log.Fatal(err)
			}
			got[i] = claim.State == idempotency.Acquired
		})
	}
	wg.Wait()
	for i, mine := range got {
		if mine {
			fmt.Println(i)
		}
	}
}

func TestOneOf16ProcessesGetsAKey(t *testing.T) {
	name := namespace(t)
	var all []*process
	for range racers {
		all = append(all, start(t, "racer", "ADDR="+shared.Addr(), "NAMESPACE="+name))
	}
	for _, p := range all {
		require.Equal(t, "ready", p.line(t))
	}
	for _, p := range all {
		_, _ = fmt.Fprintln(p.stdin, "go")
	}
	winners := make(map[string]int)
	for _, p := range all {
		for p.stdout.Scan() {
			winners[p.stdout.Text()]++
		}
		require.NoError(t, p.Wait(), p.stderr.String())
	}
	require.Len(t, winners, raceKeys)
	for key, n := range winners {
		require.Equal(t, 1, n, "winners of %s", key)
	}
}

const crashLease = 500 * time.Millisecond

// crashKeys returns how many keys the crash test has.
func crashKeys() int {
	if full() {
		return 3000
	}
	return 600
}

// work runs and completes every key, beside other processes that do the same, and keeps a diary of it.
func work() {
	s, d := theirStore(), openDiary(os.Getenv("DIARY"))
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for left := rand.Perm(crashKeys()); len(left) > 0; {
				var again []int
				for _, i := range left {
					if !complete(ctx, s, d, strconv.Itoa(i)) {
						again = append(again, i)
					}
				}
				left = again
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

// complete tells whether key is completed now. An error of the store is met as a sender meets it, by trying again.
func complete(ctx context.Context, s idempotency.Store, d diary, key string) bool {
	token := idempotency.NewToken()
	claim, err := s.Claim(ctx, key, token, crashLease)
	if err != nil || claim.State != idempotency.Acquired {
		return claim.State == idempotency.Completed
	}
	d.write("run", key, token)
	if rand.IntN(20) == 0 {
		_ = s.Release(ctx, key, token)
		return false
	}
	if s.Complete(ctx, key, token) != nil {
		return false
	}
	d.write("completed", key, token)
	return true
}

func TestEveryKeyCompletesOnceAlthoughWorkersAndRedisAreKilled(t *testing.T) {
	const workers = 4
	kills := 12
	if full() {
		kills = 40
	}
	server := redistest.New(t)
	path, name := filepath.Join(t.TempDir(), "diary"), namespace(t)
	spawn := func() *process {
		return start(t, "worker", "ADDR="+server.Addr(), "NAMESPACE="+name, "DIARY="+path)
	}
	var all []*process
	for range workers {
		all = append(all, spawn())
	}
	for n := range kills {
		time.Sleep(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		i := rand.IntN(workers)
		require.NoError(t, all[i].Process.Kill())
		_ = all[i].Wait()
		all[i] = spawn()
		if n%5 == 4 {
			server.Kill()
			server.Start(t)
		}
	}
	for _, p := range all {
		require.NoError(t, p.Wait(), p.stderr.String())
	}

	client := connect(t, server.Addr())
	runs, completions := 0, make(map[string]string)
	for _, line := range readDiary(t, path) {
		key, token := line[1], line[2]
		if line[0] == "run" {
			runs++
			continue
		}
		require.Empty(t, completions[key], "key %s was completed twice", key)
		completions[key] = token
	}
	for i := range crashKeys() {
		key := strconv.Itoa(i)
		row, err := client.HGetAll(t.Context(), name+":"+key).Result()
		require.NoError(t, err)
		require.Equal(t, "done", row["state"], "key %s", key)
		if by := completions[key]; by != "" { // else its worker was killed before it could say so
			require.Equal(t, by, idempotency.Token([]byte(row["token"])).String(), "key %s", key)
		}
	}
	t.Logf("%d keys, %d runs, %d completions that were told of", crashKeys(), runs, len(completions))
	require.Greater(t, runs, crashKeys())
}
