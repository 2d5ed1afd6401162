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
	for name, loop := range map[string]crashtest.CrashLoop{
		"one among forty":            {Poison: 1, Good: 40},
		"two, and more keeps coming": {Poison: 2, Good: 20, Late: 20},
		"alone":                      {Poison: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			loop.Inbox, loop.MaxAttempts = openBox(t, path, sqliteinbox.Options{}), inbox.DefaultMaxAttempts
			loop.Worker = func() *exec.Cmd {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), envWorker+"=poison", envFile+"="+path)
				return cmd
			}
			t.Logf("%d crashes", loop.Run(t))
		})
	}
}
