//go:build unix

package sqliteinbox_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// poisonWorker is a worker of a crash loop. Its lease and backoff are short, so that other deliveries complete between
// two crashes.
func poisonWorker() error {
	box, err := sqliteinbox.Open(os.Getenv(envFile), &sqliteinbox.Options{
		Policy: inbox.Policy{Backoff: func(int) time.Duration { return 20 * time.Millisecond }, Logger: slog.New(slog.DiscardHandler)},
		Lease:  100 * time.Millisecond, Poll: 10 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	return errors.Join(crashtest.RunWorker(box), box.Close())
}

func TestCrashLoop_DeadLettersOnlyPoison(t *testing.T) {
	t.Parallel()
	crashtest.RunLoops(t, inbox.DefaultMaxAttempts, map[string]crashtest.CrashLoop{
		"one among forty":            {Poison: 1, Good: 40},
		"two, and more keeps coming": {Poison: 2, Good: 20, Late: 20},
		"alone":                      {Poison: 1},
	}, func(t *testing.T) (inbox.Inbox, func() *exec.Cmd) {
		path := pathOf(t)
		return openBox(t, path, sqliteinbox.Options{}), func() *exec.Cmd { return kit.Role("poison", envFile+"="+path) }
	})
}
