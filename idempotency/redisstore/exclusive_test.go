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
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

const (
	racers    = 16
	raceKeys  = 200
	raceLease = 10 * time.Minute
)

// race waits for the signal, claims all keys at once, and prints those that it acquired.
func race() error {
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
	return nil
}

func TestClaim_GrantsKeyToOneProcess(t *testing.T) {
	name := namespace(t)
	var all []*kit.Process
	for range racers {
		all = append(all, kit.StartRole(t, "racer", "ADDR="+shared.Addr(), "NAMESPACE="+name))
	}
	for _, p := range all {
		require.Equal(t, "ready", p.Line(t))
	}
	for _, p := range all {
		_, _ = fmt.Fprintln(p.Stdin, "go")
	}
	winners := make(map[string]int)
	for _, p := range all {
		for p.Stdout.Scan() {
			winners[p.Stdout.Text()]++
		}
		require.NoError(t, p.Wait())
	}
	require.Len(t, winners, raceKeys)
	for key, n := range winners {
		require.Equal(t, 1, n, "winners of %s", key)
	}
}

const crashLease = 500 * time.Millisecond

// crashKeys returns the number of keys in the crash test.
func crashKeys() int {
	if kit.Full() {
		return 3000
	}
	return 600
}

// work runs and completes every key, at the same time as other processes, and records it in the shared log.
func work() error {
	s, d := theirStore(), openDiary(os.Getenv("SHARED_LOG"))
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
	return nil
}

// complete reports whether key is completed. After an error of the store it tries again, as a sender does.
func complete(ctx context.Context, s idempotency.Store, d sharedLog, key string) bool {
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

func TestCrash_CompletesEveryKeyOnce(t *testing.T) {
	const workers = 4
	kills := 12
	if kit.Full() {
		kills = 40
	}
	server := redistest.New(t)
	path, name := filepath.Join(t.TempDir(), "sharedLog"), namespace(t)
	spawn := func() *kit.Process {
		return kit.StartRole(t, "worker", "ADDR="+server.Addr(), "NAMESPACE="+name, "SHARED_LOG="+path)
	}
	var all []*kit.Process
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
		require.NoError(t, p.Wait())
	}

	client := connect(t, server.Addr())
	runs, completions := 0, make(map[string]string)
	for _, line := range readSharedLog(t, path) {
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
		if by := completions[key]; by != "" { // otherwise its worker was killed before it recorded this
			require.Equal(t, by, idempotency.Token([]byte(row["token"])).String(), "key %s", key)
		}
	}
	t.Logf("%d keys, %d runs, %d recorded completions", crashKeys(), runs, len(completions))
	require.Greater(t, runs, crashKeys())
}
