// On Windows, no process can remove or rename an open file.

//go:build unix

package sqliteinbox_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// fileChanges are changes by other programs to the files of an inbox. An undo puts the files back.
var fileChanges = map[string]struct {
	do, undo func(t *testing.T, path string)
}{
	"removed":        {do: func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }},
	"log removed":    {do: func(t *testing.T, path string) { require.NoError(t, os.Remove(path+"-wal")) }},
	"memory removed": {do: func(t *testing.T, path string) { require.NoError(t, os.Remove(path+"-shm")) }},
	"all removed":    {do: func(t *testing.T, path string) { require.NoError(t, os.RemoveAll(filepath.Dir(path))) }},
	"renamed": {
		do:   func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) },
		undo: func(t *testing.T, path string) { require.NoError(t, os.Rename(path+".old", path)) },
	},
	"folder renamed": {
		do: func(t *testing.T, path string) {
			require.NoError(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".old"))
		},
		undo: func(t *testing.T, path string) {
			require.NoError(t, os.Rename(filepath.Dir(path)+".old", filepath.Dir(path)))
		},
	},
	"replaced by an inbox": {do: func(t *testing.T, path string) {
		other := pathOf(t)
		box, err := sqliteinbox.Open(other, nil)
		require.NoError(t, err)
		store(t, box, newDelivery(ping, "of another"))
		require.NoError(t, box.Close())
		require.NoError(t, os.Rename(other, path))
	}},
	"log replaced": {do: func(t *testing.T, path string) {
		require.NoError(t, os.WriteFile(path+".new", nil, 0o600))
		require.NoError(t, os.Rename(path+".new", path+"-wal"))
	}},
	"folder replaced by a link": {
		do: func(t *testing.T, path string) {
			dir, other := filepath.Dir(path), t.TempDir()
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, suffix := range []string{"", "-wal", "-shm"} {
				require.NoError(t, os.WriteFile(filepath.Join(other, filepath.Base(path)+suffix), content, 0o600))
			}
			require.NoError(t, os.Rename(dir, dir+".old"))
			require.NoError(t, os.Symlink(other, dir))
		},
		undo: func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.Rename(dir+".old", dir))
		},
	},
}

func TestEnqueue_RefusesOnceFilesAreChanged(t *testing.T) {
	t.Parallel()
	for name, change := range fileChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(filepath.Dir(pathOf(t)), "folder")
			require.NoError(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "inbox.db")
			log := new(logtest.LogBuffer)
			box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
			require.NoError(t, err)
			defer box.Close()
			harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
			first := inboxkit.MessageBody("first", 10)
			harness.MustRespond(t, http.StatusOK, first)
			change.do(t, path)
			for range 3 { // the first one already
				harness.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("later", 10))
				require.Equal(t, webhook.ReasonInbox, harness.Last().Reason)
			}
			harness.MustRespond(t, http.StatusServiceUnavailable, first) // even if it is a duplicate
			require.Equal(t, 1, log.Count("level=ERROR", "moved, removed or replaced", path), log)
			if change.undo == nil {
				return
			}
			change.undo(t, path)
			kit.Eventually(t, func() bool { return harness.Post(inboxkit.MessageBody("after", 10)).Status == http.StatusOK }, harness.Log)
			require.Equal(t, 1, log.Count("level=INFO", "is back"), log)
			require.NoError(t, box.Close())
			again := openBox(t, path, sqliteinbox.Options{})
			require.GreaterOrEqual(t, statsOf(t, again).Pending, 2)
			require.NoError(t, again.Close())
			require.NoFileExists(t, path+"-wal", "the last connection is closed")
		})
	}
}

func TestMaintain_LogsChangedFiles(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	box.StopPurging()
	require.NoError(t, os.Remove(path))
	box.PurgeOnce(t.Context())
	box.PurgeOnce(t.Context())
	require.Equal(t, 1, log.Count("level=ERROR", "moved, removed or replaced", path), log)
}

// The inbox itself never replaces the log file.
func TestEnqueue_KeepsItsFilesThroughMaintenance(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	for i := range 3 {
		storeAtOnce(t, box, pings(string(rune('a'+i)), 50)...)
		box.PurgeOnce(t.Context())
		emptyLog(t, box)
		other, err := sqliteinbox.Attach(path)
		require.NoError(t, err)
		require.Equal(t, 50*(i+1), statsOf(t, other).Pending)
		require.NoError(t, other.Close())
	}
}

// Close removes the log while deliveries still arrive.
func TestEnqueue_ReportsNoFileChangeDuringClose(t *testing.T) {
	t.Parallel()
	for range 10 {
		log := new(logtest.LogBuffer)
		path := pathOf(t)
		box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		ended := make(chan error, 8)
		for i := range cap(ended) {
			go func() {
				for j := 0; ; j++ {
					if _, err := box.Enqueue(context.Background(), newDelivery(ping, fmt.Sprintf("%d-%d", i, j))); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		kit.Eventually(t, func() bool { return statsOf(t, box).Pending > 20 })
		require.NoError(t, box.Close())
		for range cap(ended) {
			require.ErrorIs(t, <-ended, sqliteinbox.ErrClosed)
		}
		require.Zero(t, log.Count("level=ERROR"), log)
	}
}
