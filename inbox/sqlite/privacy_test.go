package sqliteinbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// copyOf copies the file and its log as they are on the disk, and returns their content. A separate process does so,
// because closing the file in this process would drop SQLite's locks.
func copyOf(t *testing.T, path string) []byte {
	t.Helper()
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		content, err := kit.Role("cat", envFile+"="+path+suffix).Output()
		require.NoError(t, err)
		all = append(all, content...)
	}
	return all
}

func TestEnqueue_StoresNoSecrets(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	const token = "token-in-the-url-of-emberqa"
	ember, err := emberqa.NewHandler(emberqa.Token(token), &webhook.Options{Inbox: box, StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	sender := webhooktest.Signer{Profile: emberqa.Profile(), URL: "http://receiver.test/hooks?token=" + token}
	secrets, signatures := []string{token}, 0
	adorn := func(r *http.Request) {
		for name, value := range map[string]string{
			"Authorization": "Bearer in-the-authorization", "Cookie": "session=in-a-cookie", "X-Api-Key": "in-an-api-key",
			"Proxy-Authorization": "Basic in-the-proxy-authorization", "X-Forwarded-For": "203.0.113.77",
		} {
			r.Header.Set(name, value)
			secrets = append(secrets, value, value[strings.Index(value, "in-")+1:])
		}
		signature := r.Header.Get("X-Workflux-Signature")
		if signature == "" {
			return
		}
		_, digits, _ := strings.Cut(signature, "=")
		if digits == "" {
			digits = signature
		}
		mac, err := hex.DecodeString(digits)
		require.NoError(t, err)
		secrets = append(secrets, digits, string(mac))
		signatures++
	}
	body := inboxkit.MessageBody("a body that can be found", 10)
	post := func(h http.Handler, request func() *http.Request) {
		kit.Eventually(t, func() bool { // a busy machine may not store it in time
			r, recorder := request(), httptest.NewRecorder()
			adorn(r)
			h.ServeHTTP(recorder, r)
			t.Log(recorder.Code, recorder.Body)
			return recorder.Code == http.StatusOK
		})
	}
	post(harness, func() *http.Request { return harness.Sender.Request(harness.Sender.Raw(body)) })
	require.Positive(t, signatures)

	post(ember, func() *http.Request {
		request, err := sender.Request(emberqatest.Samples()[0].Body, time.Now(), "")
		require.NoError(t, err)
		return request
	})

	check := func(stored []byte) {
		require.True(t, bytes.Contains(stored, body), "the body is found")
		for _, secret := range secrets {
			require.False(t, bytes.Contains(stored, []byte(secret)), "%q is stored", secret)
			require.False(t, bytes.Contains(bytes.ToLower(stored), []byte(strings.ToLower(secret))), "%q is stored", secret)
		}
	}
	check(copyOf(t, path))
	emptyLog(t, box)
	check(copyOf(t, path))
	stop := inboxkit.Run(t, box, harness, ember)
	kit.Eventually(t, func() bool { s := statsOf(t, box); return s.Pending+s.Running == 0 })
	stop()
	check(copyOf(t, path))
	require.Equal(t, 2, statsOf(t, box).Done+statsOf(t, box).Deferred)
}

// needle is a text that the tests search in files.
const needle = "a needle that is nowhere else"

// deliveryWithNeedle returns a delivery of several pages with the needle in its body and headers.
func deliveryWithNeedle(id string) *webhook.Delivery {
	d := newDelivery(ping, id)
	d.Body = []byte(strings.Repeat(needle+" in a body ", 500))
	d.Header = http.Header{"X-Trace": {needle + " in a header"}}
	return d
}

func TestRetention_DeletesBodiesOnceDone(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{BodyRetention: -1, Policy: inbox.Policy{MaxAttempts: 2}})
	hook := newFakeHandler(callbacks{ping: func(_ context.Context, d *webhook.Delivery) webhook.Result {
		if !strings.Contains(string(d.Body), needle) {
			return webhook.Result{Outcome: webhook.DeadLettered}
		}
		return webhook.Result{Outcome: webhook.Handled}
	}})
	for i := range 5 {
		store(t, box, deliveryWithNeedle(fmt.Sprint(i)))
	}
	require.True(t, bytes.Contains(copyOf(t, path), []byte(needle)))
	stop := inboxkit.Run(t, box, hook)
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 5 })
	stop()
	emptyLog(t, box)
	require.False(t, bytes.Contains(copyOf(t, path), []byte(needle)))
	for _, e := range listed(t, box, inbox.Done, all) {
		require.Nil(t, e.Delivery.Body)
		require.Nil(t, e.Delivery.Header)
		require.Equal(t, ping, e.Delivery.Type)
		_, err := box.Rerun(t.Context(), inbox.Filter{ID: e.ID})
		require.ErrorIs(t, err, inbox.ErrPurged)
	}
	duplicate, err := box.Enqueue(t.Context(), deliveryWithNeedle("3"))
	require.NoError(t, err)
	require.True(t, duplicate, "the key is kept")
}

func TestRetention_DeletesBodiesBeforeKeys(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{BodyRetention: time.Hour, Retention: 3 * time.Hour})
	const many = 210 // more than one operation purges
	var old []*webhook.Delivery
	for i := range many {
		old = append(old, deliveryWithNeedle(fmt.Sprint("old ", i)))
	}
	storeAtOnce(t, box, old...)
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == many })
	stop()
	raw := openRaw(t, path)
	age := func(by time.Duration) {
		mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = due_at - ? WHERE delivery_id LIKE 'old%'`, by.Milliseconds())
	}
	bodies := func() int { return queryValue[int](t, raw, `SELECT count(*) FROM aihooks_inbox_body`) }
	age(50 * time.Minute)
	box.PurgeOnce(t.Context())
	require.Equal(t, many, bodies(), "the retention has not passed")
	age(11 * time.Minute)
	store(t, box, newDelivery(ping, "new"), newDelivery(pong, "unhandled"))
	box.PurgeOnce(t.Context())
	require.Equal(t, 2, bodies(), "all but the new ones")
	emptyLog(t, box)
	require.False(t, bytes.Contains(copyOf(t, path), []byte(needle)))
	require.Equal(t, many, statsOf(t, box).Done)
	again := func() bool {
		duplicate, err := box.Enqueue(t.Context(), newDelivery(ping, "old 7"))
		require.NoError(t, err)
		return duplicate
	}
	age(110 * time.Minute)
	box.PurgeOnce(t.Context())
	require.True(t, again(), "the key is kept longer")
	age(20 * time.Minute)
	box.PurgeOnce(t.Context())
	require.Zero(t, statsOf(t, box).Done)
	require.False(t, again(), "the key was purged")
	require.Equal(t, 3, statsOf(t, box).Pending, "pending deliveries are not purged")
}

func TestRetention_DeletesBodiesTogetherWithKeys(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{BodyRetention: sqliteinbox.Forever, Retention: time.Hour})
	store(t, box, deliveryWithNeedle("a"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
	stop()
	raw := openRaw(t, path)
	mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = due_at - 3700000`)
	box.PurgeOnce(t.Context())
	require.Zero(t, queryValue[int](t, raw, `SELECT (SELECT count(*) FROM aihooks_inbox) + (SELECT count(*) FROM aihooks_inbox_body)`))
}

func TestDiscard_DeletesBodyAtOnce(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	store(t, box, deliveryWithNeedle("a"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.DeadLettered))
	kit.Eventually(t, func() bool { return statsOf(t, box).DeadLettered == 1 })
	stop()
	n, err := box.Discard(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	emptyLog(t, box)
	require.False(t, bytes.Contains(copyOf(t, path), []byte(needle)))
	duplicate, err := box.Enqueue(t.Context(), deliveryWithNeedle("a"))
	require.NoError(t, err)
	require.True(t, duplicate)
}

func TestRetention_WarnsOfDeletedDeadLetters(t *testing.T) {
	path := pathOf(t)
	log := new(logtest.LogBuffer)
	box := openBox(t, path, sqliteinbox.Options{DeadLetterRetention: time.Hour, Policy: inbox.Policy{Logger: log.Text()}})
	store(t, box, newDelivery(ping, "dead"), newDelivery(pong, "waiting"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.DeadLettered))
	kit.Eventually(t, func() bool { s := statsOf(t, box); return s.DeadLettered == 1 && s.Deferred == 1 })
	stop()
	raw := openRaw(t, path)
	mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = due_at - 3500000`)
	box.PurgeOnce(t.Context())
	require.Zero(t, log.Count("were deleted"))
	require.Equal(t, 2, queryValue[int](t, raw, `SELECT count(*) FROM aihooks_inbox_body`))
	mustExec(t, raw, `UPDATE aihooks_inbox SET due_at = due_at - 200000`)
	box.PurgeOnce(t.Context())
	require.Equal(t, 1, log.Count("level=WARN", "dead letters were deleted", "DeadLetterRetention", "deleted=1"), log)
	require.Equal(t, 1, log.Count("level=WARN", "had no callback", "DeadLetterRetention", "deleted=1"), log)
	require.Zero(t, queryValue[int](t, raw, `SELECT (SELECT count(*) FROM aihooks_inbox) + (SELECT count(*) FROM aihooks_inbox_body)`))
}

func TestRetention_KeepsForever(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{DeadLetterRetention: sqliteinbox.Forever, BodyRetention: sqliteinbox.Forever, Retention: sqliteinbox.Forever})
	store(t, box, newDelivery(ping, "a"), newDelivery(pong, "b"))
	stop := inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool { s := statsOf(t, box); return s.Done == 1 && s.Deferred == 1 })
	stop()
	mustExec(t, openRaw(t, path), `UPDATE aihooks_inbox SET due_at = 1`)
	box.PurgeOnce(t.Context())
	require.Equal(t, inbox.Counts{Done: 1, Deferred: 1}, statsOf(t, box))
	require.NotNil(t, listed(t, box, inbox.Done, all)[0].Delivery.Body)
}

// heap creates a file of some megabytes and then frees all its pages.
func heap(t *testing.T, path string, box *sqliteinbox.Inbox) *sql.DB {
	t.Helper()
	raw := openRaw(t, path)
	mustExec(t, raw, `CREATE TABLE heap (x BLOB)`)
	mustExec(t, raw, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 18) INSERT INTO heap SELECT zeroblob(1000000) FROM c`)
	emptyLog(t, box)
	mustExec(t, raw, `DROP TABLE heap`)
	return raw
}

func TestShrink_ReturnsSpaceToDisk(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	raw := heap(t, path, box)
	size := func(suffix string) int64 {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		return info.Size()
	}
	require.Greater(t, size(""), int64(17<<20))
	box.PurgeOnce(t.Context())
	require.Less(t, queryValue[int](t, raw, `PRAGMA freelist_count`), 4096+256)
	emptyLog(t, box)
	require.Less(t, size(""), int64(17<<20)+256*4096)
	require.Zero(t, size("-wal"))
	store(t, box, newDelivery(ping, "a"))

	mustExec(t, raw, `CREATE TABLE heap (x BLOB)`) // makes the log long
	mustExec(t, raw, `INSERT INTO heap VALUES (zeroblob(18000000))`)
	require.Greater(t, size("-wal"), int64(16<<20))
	kit.Eventually(t, func() bool { // not while purging reads
		box.PurgeOnce(t.Context())
		return size("-wal") == 0
	}, "the log is emptied once it is long")
	require.NoError(t, box.Transact(t.Context(), func(_ context.Context, tx *sql.Tx) error {
		var ms int
		require.NoError(t, tx.QueryRow(`PRAGMA busy_timeout`).Scan(&ms))
		require.Equal(t, 5000, ms, "the connections have their settings again")
		return nil
	}))
}

func TestEmptyLog_DoesNotWaitForReader(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	store(t, box, newDelivery(ping, "a"))
	tx, err := openRaw(t, path).BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRow(`SELECT count(*) FROM aihooks_inbox`).Scan(&n))
	store(t, box, newDelivery(ping, "b"))
	kit.Quick(t, 2*time.Second, func() {
		emptied, err := box.TryEmptyLog(t.Context())
		require.NoError(t, err)
		require.False(t, emptied)
	})
	store(t, box, newDelivery(ping, "c"))
}

// A file that the program has created for its tables cannot shrink.
func TestShrink_LeavesFileThatCannotShrink(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	raw := openRaw(t, path)
	mustExec(t, raw, `CREATE TABLE theirs (x)`)
	require.Zero(t, queryValue[int](t, raw, `PRAGMA auto_vacuum`))
	box := openBox(t, path, sqliteinbox.Options{})
	heap(t, path, box)
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	box.PurgeOnce(ctx)
	require.NoError(t, ctx.Err(), "purging continues")
	store(t, box, newDelivery(ping, "a"))
}

func TestMaintain_RunsAutomatically(t *testing.T) {
	t.Parallel()
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{Retention: time.Millisecond, BodyRetention: time.Millisecond})
	store(t, box, newDelivery(ping, "a"))
	inboxkit.Run(t, box, handlerWithOutcome(webhook.Handled))
	kit.Eventually(t, func() bool {
		duplicate, err := box.Enqueue(t.Context(), newDelivery(ping, "a"))
		return err == nil && !duplicate
	})
}
