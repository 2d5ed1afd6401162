//go:build linux

package sqliteinbox_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// Another program must check the locks, because a process does not see its own.
const envOther = "SQLITETEST_OTHER"

// TestOtherProgram_ReportsLock is the other program. Without a file, it does nothing.
func TestOtherProgram_ReportsLock(t *testing.T) {
	path := os.Getenv(envOther)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	const shared, sharedBytes = 0x40000002, 510 // by SQLite's os_unix.c
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: shared, Len: sharedBytes}
	require.NoError(t, unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock))
	if lock.Type == unix.F_UNLCK {
		os.Stdout.WriteString("not in use\n")
	}
}

// inUse reports whether another program sees the file in use.
func inUse(t *testing.T, path string) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProgram_ReportsLock$", "-test.v")
	cmd.Env = append(os.Environ(), envOther+"="+path)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "PASS: TestOtherProgram_ReportsLock")
	return !bytes.Contains(output, []byte("not in use"))
}

// The system drops all locks that a process has on a file when the process closes any descriptor of it. A sqlite3 program
// that then closes the file believes that it is the last one. It deletes the log that this process still writes to.
func TestOpen_KeepsLockAfterOtherClose(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	first := openBox(t, path, sqliteinbox.Options{})
	store(t, first, newDelivery(ping, "a"))
	require.True(t, inUse(t, path))
	raw := openRaw(t, path) // another handle of this program
	require.Equal(t, 1, queryValue[int](t, raw, `SELECT count(*) FROM aihooks_inbox`))
	second := openBox(t, path, sqliteinbox.Options{})
	require.True(t, inUse(t, path), "opened twice")
	require.NoError(t, second.Close())
	require.True(t, inUse(t, path), "one handle is still open")
	require.NoError(t, raw.Close())
	require.NoError(t, first.Close())
	require.False(t, inUse(t, path))
}

func TestOpen_CreatesFileOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	for range 2 {
		path := pathOf(t)
		const boxes = 4
		opened := make(chan *sqliteinbox.Inbox, boxes)
		for range boxes {
			go func() {
				box, err := sqliteinbox.Open(path, nil)
				if err != nil {
					t.Error(err)
				}
				opened <- box
			}()
		}
		var last *sqliteinbox.Inbox
		for i := range boxes {
			if box := <-opened; box != nil {
				defer box.Close()
				var duplicate bool
				kit.Eventually(t, func() (stored bool) { // the others may lock the file for long
					var err error
					duplicate, err = box.Enqueue(t.Context(), newDelivery(ping, strings.Repeat("x", i+1)))
					return err == nil
				})
				require.False(t, duplicate)
				last = box
			}
		}
		require.Equal(t, boxes, statsOf(t, last).Pending)
		require.True(t, inUse(t, path))
	}
}
