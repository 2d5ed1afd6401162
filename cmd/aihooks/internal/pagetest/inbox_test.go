package pagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
	"github.com/aihooks/aihooks-go/webhook"
)

// atThird is a callback that only succeeds at the third attempt.
func atThird(_ context.Context, d *webhook.Delivery) webhook.Result {
	if d.Attempt > 2 {
		return webhook.Result{Outcome: webhook.Handled}
	}
	return webhook.Result{Outcome: webhook.Failed, Err: errors.New("the CRM is down: 502 Bad Gateway")}
}

func TestPage_RetriesAndDiscardsInboxEntries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inbox.db")
	o := &sqliteinbox.Options{MinFree: -1, Policy: inbox.Policy{MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }}}
	running, err := sqliteinbox.Open(file, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, running.Close()) }()
	for i := range 3 {
		id := "dlv_" + strconv.Itoa(i)
		_, err = running.Enqueue(t.Context(), &webhook.Delivery{
			Vendor: "greenflash", Endpoint: "default", Type: "conversation.frustration", ID: id, Keys: []string{id}, ReceivedAt: time.Now(), Body: []byte(pagekit.Conversation),
		})
		require.NoError(t, err)
	}
	attached, err := sqliteinbox.Open(file, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, attached.Close()) })
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, inboxsource.New(attached, "inbox.db"), page.Options{}))
	b.until(rows(3) + ` && document.querySelectorAll('.chip[data-tone=idle]').length === 3`)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- running.Run(ctx, inboxkit.Fake{VendorName: "greenflash", Callback: atThird}) }()
	b.until(`document.querySelectorAll('.row .chip[data-tone=bad]').length === 3`)
	b.keys("jj" + kb.Enter)
	b.until(shows("dlv_1") + ` && document.querySelectorAll('.attempts tbody tr').length === 2`)
	b.until(shows("the CRM is down: 502 Bad Gateway"))
	b.shoot("desktop-inbox")

	b.keys("d")
	b.until(`document.getElementById('confirm').open && document.activeElement.id === 'confirm-no'`)
	b.shoot("desktop-confirm")
	b.click("#confirm-no")
	b.until(`!document.getElementById('confirm').open`)
	b.keys("d")
	b.click("#confirm-yes")
	b.until(shows("The delivery was discarded.") + " && " + shows("have been deleted"))
	stats, err := running.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, "2 dead-lettered, 1 done", strconv.Itoa(stats.DeadLettered)+" dead-lettered, "+strconv.Itoa(stats.Done)+" done")

	b.click(".row")
	b.until(shows("dlv_2"))
	b.keys("r")
	b.until(`document.activeElement.id === 'confirm-reason'`)
	b.keys("the CRM is up" + kb.Enter)
	b.until(`document.querySelectorAll('.toast').length > 0`)
	b.until(`document.querySelectorAll('.attempts tbody tr').length > 2`)
	audit, err := running.Audit(ctx)
	require.NoError(t, err)
	require.Equal(t, "the CRM is up", audit[0].Reason)
	b.look(phone)
	b.shoot("phone-inbox")
	b.look(screen{width: 390, height: 844, phone: true, dark: true})
	b.click(".back")
	b.until(`document.activeElement.classList.contains('row')`)
	b.shoot("phone-dark-inbox-list")
	cancel()
	require.NoError(t, <-ended)
}

func TestPage_SearchesToTheOldest(t *testing.T) {
	hay, night := 11_000, 11_000 // one request reads 10,000
	if kit.Full() {
		hay, night = 25_000, 15_000
	}
	box, err := sqliteinbox.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqliteinbox.Options{MinFree: -1, Retention: sqliteinbox.Forever, BodyRetention: sqliteinbox.Forever})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	handler := pagekit.New(t, inboxsource.New(box, "inbox.db"), page.Options{})
	fill(t, box, "needle_1", 1)
	fill(t, box, "hay", hay)
	b := newTab(t, desktop)
	server, address := serveAt(t, handler, "127.0.0.1:0")
	b.open("http://" + address)
	b.until(rows(100))
	b.keys("/needle")
	b.until(rows(1) + " && document.getElementById('older').hidden") // after more than one request
	fill(t, box, "needle_2", 1)
	b.until(rows(2)) // the match far down must stay
	fill(t, box, "more hay", 1)
	b.until(rows(2) + all(hay+3))

	b.expect("ERR_")
	b.expect("Failed to load resource")
	require.NoError(t, server.Close())
	b.until(`document.getElementById('connection-text').textContent === 'Connection lost'`)
	fill(t, box, "needle_3", 1)
	fill(t, box, "hay of a night", night)
	serveAt(t, handler, address)
	b.until(rows(3) + all(hay+night+4)) // there are more new entries than one request reads
	b.keys("s")
	b.until(rows(0) + ` && document.getElementById('empty').textContent.includes('No delivery matches.')`)
}

// all is true when the page shows a total of n deliveries.
func all(n int) string {
	return fmt.Sprintf(` && document.querySelector('#verdicts .count .n').textContent === (%d).toLocaleString()`, n)
}

// fill adds n done deliveries that arrived at the same time.
func fill(t *testing.T, box *sqliteinbox.Inbox, id string, n int) {
	t.Helper()
	require.NoError(t, box.Transact(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		now := time.Now()
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?1)
			INSERT INTO aihooks_inbox (key, handler, type, delivery_id, received_at, state, due_at)
			SELECT randomblob(16), 'greenflash/default', 'message.rated', ?2, ?3 + n, 5, ?4 FROM c`, n, id, now.UnixNano(), now.UnixMilli())
		return err
	}))
}
