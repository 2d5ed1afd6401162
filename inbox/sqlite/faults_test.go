package sqliteinbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestOpen_RefusesInvalidPath(t *testing.T) {
	for _, path := range []string{"", ":memory:", "file:inbox.db", "file::memory:?cache=shared"} {
		_, err := sqliteinbox.Open(path, nil)
		require.ErrorContains(t, err, "must be a file path", "%q", path)
	}
	dir := t.TempDir()
	_, err := sqliteinbox.Open(dir, nil)
	require.ErrorContains(t, err, "open the inbox for writing")
	_, err = sqliteinbox.Open(filepath.Join(dir, "missing", "inbox.db"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "the folder")
	require.NoDirExists(t, filepath.Join(dir, "missing"))
}

func requireFileNamed(t *testing.T, path string) {
	t.Helper()
	box := openBox(t, path, sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	require.FileExists(t, path+"-wal", "SQLite opened the same name")
	require.NoError(t, box.Close())
}

func TestOpen_AcceptsPathsWithSpecialCharacters(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a#b.db", "100%.db", "%41.db", "a b&c=d.db", "ä.db", "-x"} {
		requireFileNamed(t, filepath.Join(dir, name))
	}
	t.Chdir(dir)
	box := openBox(t, "relative.db", sqliteinbox.Options{})
	t.Chdir(os.TempDir())
	store(t, box, newDelivery(ping, "a"))
	require.FileExists(t, filepath.Join(dir, "relative.db"))
}

// filled returns the path of a closed inbox of some megabytes.
func filled(t *testing.T) string {
	t.Helper()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	deliveries := pings("stored", 60)
	for _, d := range deliveries {
		d.Body = []byte(strings.Repeat(d.ID, 2000))
	}
	storeAtOnce(t, box, deliveries...)
	require.NoError(t, box.Close())
	return path
}

// overwrite overwrites a part of the file with invalid data.
func overwrite(t *testing.T, path string, from, to int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteAt([]byte(strings.Repeat("\xAA", int(to-from))), from)
	require.NoError(t, err)
}

func TestOpen_RefusesDamagedFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(path string)
		says   string
	}{
		"no SQLite file": {
			func(path string) {
				require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("Not a database! ", 1000)), 0o600))
			},
			"file is not a database",
		},
		"overwritten beginning": {func(path string) { overwrite(t, path, 0, 50) }, "file is not a database"},
		"overwritten schema":    {func(path string) { overwrite(t, path, 100, 4096) }, "malformed"},
		"cut off":               {func(path string) { require.NoError(t, os.Truncate(path, 300_000)) }, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filled(t)
			test.damage(path)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = sqliteinbox.Open(path, nil)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, path)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after), "the file is unchanged, so that it can be repaired")
		})
	}
}

func TestDamagedFile_Responds503(t *testing.T) {
	t.Parallel()
	path := filled(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	info, err := os.Stat(path)
	require.NoError(t, err)
	overwrite(t, path, 5*4096, info.Size()) // everything except the pages that Open has read
	kit.Eventually(t, func() bool {
		answer := harness.Post(inboxkit.MessageBody("a", 1000))
		require.Contains(t, []int{0, http.StatusServiceUnavailable}, answer.Status)
		// A busy machine may not find out in time.
		return answer.Status == http.StatusServiceUnavailable && harness.Log.Count("level=ERROR", "malformed") > 0
	}, harness.Log)
	hook := handlerWithOutcome(webhook.Handled)
	inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return log.Count("level=ERROR", "malformed", path) > 0 })
}

func TestDamagedPage_IsReportedWhileOthersRun(t *testing.T) {
	t.Parallel()
	path := filled(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	middle := info.Size() / 2 / 4096 * 4096
	overwrite(t, path, middle, middle+4096) // in one body
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	for i := range 20 {
		harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody(fmt.Sprint("new ", i), 100))
	}
	require.NoError(t, box.Close())
}

func TestOpen_RefusesTablesOfNewerRelease(t *testing.T) {
	t.Parallel()
	path := filled(t)
	raw := openRaw(t, path)
	mustExec(t, raw, `UPDATE aihooks_inbox_version SET version = 2`)
	_, err := sqliteinbox.Open(path, nil)
	require.ErrorContains(t, err, "tables of the file have version 2, and this release supports up to 1")
	mustExec(t, raw, `UPDATE aihooks_inbox_version SET version = 1`)
	require.Equal(t, 60, statsOf(t, openBox(t, path, sqliteinbox.Options{})).Pending)
}

// locks are the ways in which another program locks the file.
var locks = []string{"BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"}

func TestLockedFile_Responds503AndRecovers(t *testing.T) {
	t.Parallel()
	for _, lock := range locks {
		t.Run(lock, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			log := new(logtest.LogBuffer)
			box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
			harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
			var calls kit.Counter
			harness.OnMessage(func(_ context.Context, name string) error { calls.Add(name); return nil })
			inboxkit.Run(t, box, harness)
			box.SetLockTimeout(sqliteinbox.LockTimeout)
			harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("before", 10))
			kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })

			other, err := openRaw(t, path).Conn(t.Context())
			require.NoError(t, err)
			defer other.Close()
			_, err = other.ExecContext(t.Context(), lock)
			require.NoError(t, err)
			readers := make(chan error, 16)
			for range cap(readers) {
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
					defer cancel()
					var err error
					for range 20 { // so that each needs a separate connection
						_, again := box.Stats(ctx)
						err = errors.Join(err, again)
					}
					readers <- err
				}()
			}
			for range cap(readers) {
				require.NoError(t, <-readers, "readers do not wait")
			}
			refused := inboxkit.MessageBody("while locked", 10)
			post := func() webhooktest.Response {
				return inboxkit.Send(http.StatusServiceUnavailable, func() webhooktest.Response { return harness.Post(refused) })
			}
			for range 2 { // for less than the writer waits
				answer := post()
				require.Equal(t, http.StatusServiceUnavailable, answer.Status)
				require.NotEmpty(t, answer.Header.Get("Retry-After"))
				require.Equal(t, webhook.ReasonInbox, harness.Last().Reason)
			}
			kit.Eventually(t, func() bool { return log.Count("another program has had the file locked") > 0 }, log) // longer than the writer waits
			kit.Eventually(t, func() bool {
				require.Equal(t, http.StatusServiceUnavailable, post().Status)
				return harness.Log.Count("level=ERROR", "another program has had the file locked") > 0
			}, harness.Log)

			_, err = other.ExecContext(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("after", 10)) // written after everything that waits
			s := statsOf(t, box)
			require.Equal(t, 2, s.Pending+s.Running+s.Done, "refused deliveries were not stored")
			harness.MustRespond(t, http.StatusOK, refused)
			kit.Eventually(t, func() bool { return statsOf(t, box).Done == 3 })
			require.Equal(t, map[string]int{"before": 1, "after": 1, "while locked": 1}, calls.All())
		})
	}
}

func TestOpen_RefusesPermanentlyLockedFile(t *testing.T) {
	t.Parallel()
	path := filled(t)
	other, err := openRaw(t, path, "locking_mode(EXCLUSIVE)", "journal_mode(WAL)").Conn(t.Context())
	require.NoError(t, err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	_, err = sqliteinbox.Open(path, nil)
	require.ErrorContains(t, err, "locked")
}

func TestLockedFile_IsReportedIfTimeEndsDuringTry(t *testing.T) {
	path := filled(t)
	mustExec(t, openRaw(t, path, "locking_mode(EXCLUSIVE)", "journal_mode(WAL)"), "BEGIN IMMEDIATE")
	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer other.Close()
	for name, wait := range map[string]func(ctx context.Context, try func() error) error{
		"Open": sqliteinbox.RetryBusy, "Transact": openBox(t, pathOf(t), sqliteinbox.Options{}).Await,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		err := wait(ctx, func() error {
			if tries++; tries == 2 {
				cancel()
			}
			_, err := other.ExecContext(ctx, "BEGIN IMMEDIATE")
			return err
		})
		cancel()
		require.ErrorContains(t, err, "locked", name)
		require.Equal(t, 2, tries, name)
	}
}

func TestOpen_SucceedsDuringLongWrite(t *testing.T) {
	t.Parallel()
	path := filled(t)
	other, err := openRaw(t, path).Conn(t.Context())
	require.NoError(t, err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	box, err := sqliteinbox.Open(path, nil)
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, box.Close())
}

// A file with another journal mode is converted unless another program uses it.
func TestOpen_RefusesFileUsedWithoutLog(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	raw := openRaw(t, path, "journal_mode(DELETE)")
	mustExec(t, raw, `CREATE TABLE theirs (x)`)
	tx, err := raw.Begin()
	require.NoError(t, err)
	require.Zero(t, func() (n int) { require.NoError(t, tx.QueryRow(`SELECT count(*) FROM theirs`).Scan(&n)); return n }())
	_, err = sqliteinbox.Open(path, nil)
	require.ErrorContains(t, err, "locked")
	require.NoError(t, tx.Rollback())
	require.NoError(t, raw.Close())
	box := openBox(t, path, sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	require.Equal(t, "wal", queryValue[string](t, openRaw(t, path), `PRAGMA journal_mode`))
}
