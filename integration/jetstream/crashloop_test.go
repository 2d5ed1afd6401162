package jetstream_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// crashAttempts is the policy's MaxAttempts: the default in the long test.
func crashAttempts() int {
	if kit.Full() {
		return inbox.DefaultMaxAttempts
	}
	return 6
}

// runCrashWorker is the main function of a worker process of a crash loop. Its hook uses no store.
func runCrashWorker() error {
	nc, err := nats.Connect(os.Getenv(envURL))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	store, err := idempotency.NewMemory(nil)
	if err != nil {
		return err
	}
	box, err := jetstreaminbox.New(context.Background(), js, &jetstreaminbox.Options{
		Store: store, ServerSyncsAlways: true, Lease: 500 * time.Millisecond,
		Policy: inbox.Policy{
			MaxAttempts: crashAttempts(), Backoff: func(int) time.Duration { return 50 * time.Millisecond }, Logger: slog.New(slog.DiscardHandler),
		},
	})
	if err != nil {
		return err
	}
	return crashtest.RunWorker(box)
}

func TestCrashLoop_DeadLettersOnlyPoison(t *testing.T) {
	t.Parallel()
	crashtest.RunLoops(t, crashAttempts(), map[string]crashtest.CrashLoop{
		"one among forty":            {Poison: 1, Good: 40},
		"two, and more keeps coming": {Poison: 2, Good: 10, Late: 10},
	}, func(t *testing.T) (inbox.Inbox, func() *exec.Cmd) {
		url := newServer(t).ClientURL()
		box := open(t, dial(t, url), jetstreaminbox.Options{Lease: 500 * time.Millisecond})
		return box, func() *exec.Cmd { return kit.Role("crash", envURL+"="+url) }
	})
}
