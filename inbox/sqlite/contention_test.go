package sqlite

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

// Two inboxes on one file take turns as two processes do: by looking whether the file is free.
func TestTwoWhoWriteAtOnceBothGetOn(t *testing.T) {
	const writers, during = 64, 2 * time.Second
	path := filepath.Join(t.TempDir(), "inbox.db")
	var boxes [2]*Inbox
	for i := range boxes {
		box, err := Open(path, &Options{Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}})
		require.NoError(t, err)
		defer box.Close()
		boxes[i] = box
	}
	var took [2][]time.Duration
	var mu sync.Mutex
	var writing sync.WaitGroup
	began := time.Now()
	for i, box := range boxes {
		for range writers {
			writing.Go(func() {
				for time.Since(began) < during {
					at := time.Now()
					if _, err := box.Enqueue(context.Background(), sample(4096)); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					took[i] = append(took[i], time.Since(at))
					mu.Unlock()
				}
			})
		}
	}
	writing.Wait()
	for i := range took {
		slices.Sort(took[i])
		n := len(took[i])
		require.NotZero(t, n)
		t.Logf("inbox %d: %d written, p50 %v, p99 %v, slowest %v", i+1, n, took[i][n/2], took[i][n*99/100], took[i][n-1])
		require.Less(t, took[i][n-1], 3*time.Second, "on a machine that has other things to do")
	}
	require.Greater(t, 4*min(len(took[0]), len(took[1])), max(len(took[0]), len(took[1])))
}

func TestTransactWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	b := newBench(t)
	release := b.hold()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := b.Transact(ctx, func(context.Context, *sql.Tx) error {
		t.Error("it was called")
		return nil
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	require.NoError(t, b.Transact(context.Background(), func(context.Context, *sql.Tx) error { return nil }))
}
