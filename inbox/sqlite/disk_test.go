//go:build linux

package sqliteinbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A disk can be made full. These tests do not run in parallel: without the right to mount, they limit the file size of
// the whole process.
type disk struct {
	t       *testing.T
	dir     string
	mounted bool
	filler  string
	limit   unix.Rlimit
}

func newDisk(t *testing.T, size int) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	d.filler = filepath.Join(d.dir, "filler")
	err := unix.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if d.mounted = err == nil; d.mounted {
		t.Cleanup(func() { require.NoError(t, unix.Unmount(d.dir, 0)) })
		return d
	}
	t.Logf("cannot mount a file system (%v): a limit on the process's file size simulates a full disk", err)
	signal.Ignore(unix.SIGXFSZ)
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &d.limit))
	t.Cleanup(func() { d.empty() })
	return d
}

func (d *disk) path() string { return filepath.Join(d.dir, "inbox.db") }

// fill fills the disk.
func (d *disk) fill() {
	d.t.Helper()
	if !d.mounted {
		now := d.limit
		now.Cur = 4096
		require.NoError(d.t, unix.Setrlimit(unix.RLIMIT_FSIZE, &now))
		return
	}
	file, err := os.Create(d.filler)
	require.NoError(d.t, err)
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	require.ErrorIs(d.t, err, unix.ENOSPC)
	require.NoError(d.t, file.Close())
}

// empty frees the space again.
func (d *disk) empty() {
	d.t.Helper()
	if !d.mounted {
		require.NoError(d.t, unix.Setrlimit(unix.RLIMIT_FSIZE, &d.limit))
		return
	}
	require.NoError(d.t, os.Remove(d.filler))
}

// words returns the text of the error of a full disk.
func (d *disk) words() string {
	if d.mounted {
		return "disk is full"
	}
	return "disk I/O error"
}

func TestFullDisk_Responds503AndRecovers(t *testing.T) {
	d := newDisk(t, 32<<20)
	box := openBox(t, d.path(), sqliteinbox.Options{MinFree: -1})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	var calls kit.Counter
	harness.OnMessage(func(_ context.Context, name string) error {
		calls.Add(name)
		return nil
	})
	taken := make(map[string]int)
	deliver := func(name string, body []byte) int {
		answer := inboxkit.Send(http.StatusOK, func() webhooktest.Response { return harness.Post(body) })
		if answer.Status == http.StatusOK {
			taken[name] = 1
			return answer.Status
		}
		require.Equal(t, http.StatusServiceUnavailable, answer.Status)
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
		require.NotContains(t, string(answer.Body), "disk", "the response does not mention the cause")
		return answer.Status
	}
	for i := range 10 {
		name := fmt.Sprint("before ", i)
		require.Equal(t, http.StatusOK, deliver(name, inboxkit.MessageBody(name, 1000)))
	}
	d.fill()
	var refused [][]byte
	for i := 0; len(refused) < 5; i++ { // some fit into the existing log
		require.Less(t, i, 1000)
		name := fmt.Sprint("while full ", i)
		if body := inboxkit.MessageBody(name, 100_000); deliver(name, body) != http.StatusOK {
			refused = append(refused, body)
		}
	}
	require.Equal(t, webhook.ReasonInbox, harness.Last().Reason)
	require.GreaterOrEqual(t, harness.Log.Count("level=ERROR", d.words()), len(refused), harness.Log)
	d.empty()
	require.Equal(t, http.StatusOK, deliver("after", inboxkit.MessageBody("after", 1000)), harness.Log)
	require.Equal(t, inbox.Counts{Pending: len(taken)}, statsOf(t, box), "no refused delivery is stored")
	for _, body := range refused {
		harness.MustRespond(t, http.StatusOK, body) // the vendor sends them again
	}
	inboxkit.Run(t, box, harness)
	kit.Eventually(t, func() bool { return len(calls.All()) == len(taken)+len(refused) })
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == len(taken)+len(refused) })
	for name, n := range calls.All() {
		require.Equal(t, 1, n, name)
	}
	for name := range taken {
		require.Contains(t, calls.All(), name)
	}
}

func TestFullDisk_LosesAndRepeatsNothingDuringCallbacks(t *testing.T) {
	d := newDisk(t, 16<<20)
	log := new(logtest.LogBuffer)
	const lease = 300 * time.Millisecond
	box := openBox(t, d.path(), sqliteinbox.Options{MinFree: -1, Lease: lease, Policy: inbox.Policy{Logger: log.Text()}})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	var calls kit.Counter
	var begun atomic.Int64
	release := make(chan struct{})
	harness.OnMessage(func(_ context.Context, name string) error {
		begun.Add(1)
		<-release
		calls.Add(name)
		return nil
	})
	failing := newFakeHandler(callbacks{
		ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
			begun.Add(1)
			<-release
			if calls.Add(d.ID) == 1 {
				return webhook.Result{Outcome: webhook.Failed, Err: errors.New("the first time")}
			}
			return webhook.Result{Outcome: webhook.Handled}
		},
	})
	const each = 10
	names := make(map[string]int)
	for i := range each {
		name := fmt.Sprint("succeeds ", i)
		names[name] = 1
		harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody(name, 5000))
	}
	for _, d := range pings("fails", each) {
		names[d.ID] = 2
		store(t, box, d)
	}
	inboxkit.Run(t, box, harness, failing)
	kit.Eventually(t, func() bool { return begun.Load() == 2*each })
	began := time.Now()
	d.fill()
	for i := 0; harness.Log.Count("level=ERROR", d.words()) == 0; i++ { // a busy machine may respond 503 before the disk is full
		require.Less(t, i, 1000)
		harness.Post(inboxkit.MessageBody(fmt.Sprint("succeeds while full ", i), 50_000))
	}
	close(release)
	kit.Eventually(t, func() bool { return log.Count("level=ERROR", d.words(), d.path()) > 0 }, "the inbox logs the cause")
	time.Sleep(3 * lease)
	times := log.Count("level=ERROR", d.words())
	require.LessOrEqual(t, times, 2+int(time.Since(began)/(10*time.Second)), "and does not fill the log")
	d.empty()
	kit.Eventually(t, func() bool {
		s := statsOf(t, box)
		return s.Done >= 2*each && s.Pending+s.Running == 0
	}, log)
	got := calls.All()
	for name, want := range names {
		require.Equal(t, want, got[name], name)
	}
	require.Zero(t, statsOf(t, box).DeadLettered)
	require.NotContains(t, log.String(), "lease of a delivery had ended", "no process has released its deliveries")
	for _, e := range listed(t, box, inbox.Done, all) {
		for _, a := range e.Attempts {
			require.NotEqual(t, inbox.Lost, a.Outcome)
		}
	}
}

func TestOpen_RefusesReadOnlyDisk(t *testing.T) {
	d := newDisk(t, 16<<20)
	box := openBox(t, d.path(), sqliteinbox.Options{MinFree: -1})
	store(t, box, newDelivery(ping, "a"))
	require.NoError(t, box.Close())
	if d.mounted {
		require.NoError(t, unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	} else {
		require.NoError(t, os.Chmod(d.path(), 0o400))
	}
	_, err := sqliteinbox.Open(d.path(), nil)
	require.ErrorContains(t, err, "open the inbox for writing")
	require.ErrorContains(t, err, d.path())
	if d.mounted {
		require.ErrorIs(t, err, unix.EROFS)
		require.NoError(t, unix.Mount("", d.dir, "", unix.MS_REMOUNT, ""))
	} else {
		require.ErrorIs(t, err, os.ErrPermission)
		require.NoError(t, os.Chmod(d.path(), 0o600))
	}
	again := openBox(t, d.path(), sqliteinbox.Options{MinFree: -1})
	duplicate, err := again.Enqueue(t.Context(), newDelivery(ping, "a"))
	require.NoError(t, err)
	require.True(t, duplicate)
}

func TestOpen_RefusesReadOnlyFolder(t *testing.T) {
	d := newDisk(t, 16<<20)
	folder := filepath.Join(d.dir, "folder")
	path := filepath.Join(folder, "inbox.db")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	if d.mounted { // bind-mount the file from another, writable disk
		own := newDisk(t, 16<<20)
		require.NoError(t, os.WriteFile(own.path(), nil, 0o600))
		require.NoError(t, unix.Mount(own.path(), path, "", unix.MS_BIND, ""))
		t.Cleanup(func() { require.NoError(t, unix.Unmount(path, 0)) })
		require.NoError(t, unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	} else {
		require.NoError(t, os.Chmod(folder, 0o500))
		defer os.Chmod(folder, 0o700)
	}
	_, err := sqliteinbox.Open(path, nil)
	require.Error(t, err)
	require.ErrorContains(t, err, path)
	t.Log(err)
}

func TestMinFree_RefusesDeliveriesBelowLimit(t *testing.T) {
	d := newDisk(t, 64<<20)
	if !d.mounted {
		var s unix.Statfs_t
		require.NoError(t, unix.Statfs(d.dir, &s))
		box := openBox(t, d.path(), sqliteinbox.Options{MinFree: int64(s.Bavail)*int64(s.Bsize) + 1<<40}) //nolint:unconvert // 32 bits on some machines
		_, err := box.Enqueue(t.Context(), newDelivery(ping, "a"))
		require.ErrorIs(t, err, webhook.ErrInboxFull)
		return
	}
	box := openBox(t, d.path(), sqliteinbox.Options{MinFree: 32 << 20})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	harness.OnMessage(func(context.Context, string) error { return nil })
	harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("before", 1000))
	file, err := os.Create(d.filler)
	require.NoError(t, err)
	require.NoError(t, unix.Fallocate(int(file.Fd()), 0, 0, 40<<20))
	require.NoError(t, file.Close())
	var refused []byte
	n := 0
	kit.Eventually(t, func() bool {
		n++
		refused = inboxkit.MessageBody(fmt.Sprint("later ", n), 1000)
		return harness.Post(refused).Status == http.StatusServiceUnavailable && harness.Last().Reason == webhook.ReasonInboxFull
	}, harness.Log)
	require.Positive(t, harness.Log.Count("bytes free", "MinFree is 33554432"), harness.Log)
	inboxkit.Run(t, box, harness) // there is space to process the stored deliveries
	kit.Eventually(t, func() bool { return statsOf(t, box).Pending == 0 && harness.Calls.Of("before") == 1 })
	harness.MustRespond(t, http.StatusServiceUnavailable, inboxkit.MessageBody("another", 1000))
	unlimited, err := sqliteinbox.Open(d.path(), &sqliteinbox.Options{MinFree: -1})
	require.NoError(t, err)
	defer unlimited.Close()
	store(t, unlimited, newDelivery(ping, "stored by an inbox without MinFree"))
	d.empty()
	kit.Eventually(t, func() bool { return harness.Post(refused).Status == http.StatusOK })
}
