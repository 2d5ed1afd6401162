package sqliteinbox

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// Two inboxes on one file alternate as two processes do: each retries until the file is unlocked.
func TestWriter_IsFairBetweenTwoInboxes(t *testing.T) {
	const writers, each = 64, 400
	path := filepath.Join(t.TempDir(), "inbox.db")
	var boxes [2]*Inbox
	for i := range boxes {
		box, err := Open(path, &Options{Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}})
		require.NoError(t, err)
		defer box.Close()
		box.SetLockTimeout(kit.Patience)
		boxes[i] = box
	}
	var written [2]atomic.Int64
	var writing sync.WaitGroup
	for i, box := range boxes {
		for range writers {
			writing.Go(func() {
				for written[0].Load() < each || written[1].Load() < each { // each continues until the other has progressed too
					if _, err := box.Enqueue(context.Background(), sample(4096)); err != nil {
						t.Error(err)
						return
					}
					written[i].Add(1)
				}
			})
		}
	}
	writing.Wait()
	few, many := written[0].Load(), written[1].Load()
	few, many = min(few, many), max(few, many)
	t.Logf("%d and %d written", few, many)
	require.Less(t, many, 10*few, "both progress")
}

func TestTransact_StopsWaitingOnContextEnd(t *testing.T) {
	b := newWriterHarness(t)
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

func TestRun_ReturnsDeliveriesTakenWhileEnding(t *testing.T) {
	b := newWriterHarness(t)
	_, err := b.Enqueue(context.Background(), sample(100))
	require.NoError(t, err)
	release := b.hold()
	ctx, cancel := context.WithCancel(context.Background())
	var calls atomic.Int64
	hook, ended := inboxkit.Fake{VendorName: "workflux", Callback: inboxkit.Calls(func() { calls.Add(1) })}, make(chan error, 1)
	go func() { ended <- b.Run(ctx, hook) }()
	b.queued(2) // the take and the search for lost deliveries
	cancel()
	release()
	require.NoError(t, <-ended)
	require.Zero(t, calls.Load())
	var state, tried, takes int
	require.NoError(t, b.reads.QueryRow(`SELECT state, tried, takes FROM aihooks_inbox`).Scan(&state, &tried, &takes))
	require.Equal(t, []int{pending, 0, 1}, []int{state, tried, takes}, "no trace of the attempt")
}
