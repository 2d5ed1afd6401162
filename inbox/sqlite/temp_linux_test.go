package sqliteinbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func init() { roles["retry"] = retryWithoutTemp } //nolint:gochecknoinits // only on Linux

const nobody = 65534

// retryWithoutTemp runs deliveries that fail four times each, without a folder for temporary files.
func retryWithoutTemp() error {
	root := os.Getenv(envFile)
	err := errors.Join(os.Chdir(root), syscall.Chroot(root), syscall.Setgid(nobody), syscall.Setuid(nobody))
	if err != nil {
		return err
	}
	if f, err := os.CreateTemp("", ""); err == nil {
		return fmt.Errorf("%s could be created", f.Name())
	}
	box, err := sqliteinbox.Open("/data/inbox.db", &sqliteinbox.Options{MinFree: -1, Policy: inbox.Policy{
		MaxAttempts: 10, Backoff: func(int) time.Duration { return 20 * time.Millisecond },
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}})
	if err != nil {
		return err
	}
	deliveries := pings("d", 64)
	for _, d := range deliveries {
		if _, err := box.Enqueue(context.Background(), d); err != nil {
			return err
		}
	}
	var calls kit.Counter
	hook := newFakeHandler(callbacks{ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
		if calls.Add(d.ID) < 9 {
			return webhook.Result{Outcome: webhook.Failed, Err: errors.New(strings.Repeat("x", 50))}
		}
		return webhook.Result{Outcome: webhook.Handled}
	}})
	go func() { _ = box.Run(context.Background(), hook) }()
	for deadline := time.Now().Add(kit.Patience); ; time.Sleep(10 * time.Millisecond) {
		stats, err := box.Stats(context.Background())
		switch {
		case err != nil:
			return err
		case stats.Done == len(deliveries):
			_, err := box.Retry(context.Background(), all) // changing many rows needs temporary data too
			return errors.Join(err, box.Close())
		case time.Now().After(deadline):
			return fmt.Errorf("not all deliveries ran: %+v", stats)
		}
	}
}

func TestRun_NeedsNoTemporaryFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can change the root folder; another test checks the setting of each connection")
		TestOpen_KeepsTemporaryDataInMemory(t)
		return
	}
	root := t.TempDir()
	data := filepath.Join(root, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, nobody, nobody))
	output, err := kit.Role("retry", envFile+"="+root).CombinedOutput()
	require.NoError(t, err, string(output))
}
