package pagetest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/webhook"
)

const noAttack = `!('hacked' in window) && document.querySelector('main img, main script, dialog img, dialog script, dialog svg[onload], .only img, #chart img') === null`

func TestOperator_ShowsPayloadAsText(t *testing.T) {
	box := new(memorybox.Box)
	for _, attack := range attacks {
		box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: attack, Endpoint: attack, Type: attack, ID: attack, ReceivedAt: time.Now().Add(-time.Minute)},
			inbox.Attempt{Outcome: webhook.Failed, Error: attack, Reason: webhook.Reason(attack)})
		ctx := inbox.WithActor(t.Context(), inbox.Actor{By: attack, Reason: attack})
		require.NoError(t, box.Pause(ctx, inbox.Scope{Vendor: attack, Endpoint: attack, Type: attack}))
	}
	b := openInbox(t, desktop, box, "alice", "#chart=on")
	b.until(rows(len(attacks)) + ` && document.querySelectorAll('#chart svg').length === 4`)
	b.keys("p")
	b.until(`document.querySelectorAll('#pauses-list li').length === 7`)
	b.click("#pauses-list button")
	b.until(`document.getElementById('confirm').open`)
	require.True(t, eval[bool](b, noAttack))
	b.click("#confirm-no")
	b.click("#pauses-close")
	b.keys("a")
	b.until(`document.querySelectorAll('#all-first li').length === 5`)
	require.True(t, eval[bool](b, noAttack))
	b.click("#all-close")
	for i, attack := range attacks {
		b.until(`!document.getElementById('all').open`)
		b.click(`.row[data-id="` + string(rune('1'+i)) + `"]`)
		b.until(shows(attack) + ` && document.querySelector('[data-only=type]')`)
		b.keys("t")
		b.until(rows(1))
		b.keys("e")
		b.until(`document.querySelectorAll('.only').length === 2`)
		require.Equal(t, "Type: "+attack, eval[string](b, `document.querySelector('.only[data-field=type]').textContent`))
		b.keys("a")
		b.until(`document.querySelectorAll('#all-filters li').length === 3 && document.querySelectorAll('#all-first li').length === 1`)
		require.True(t, eval[bool](b, noAttack), attack)
		b.click("#all-close")
		b.until(`!document.getElementById('all').open`)
		b.keys("\x1b")
		b.click(`.only[data-field=type]`)
		b.click(`.only[data-field=endpoint]`)
		eval[bool](b, `(document.getElementById('vendor').value = '', document.getElementById('vendor').dispatchEvent(new Event('change')))`)
		b.until(rows(len(attacks)))
	}
}

func TestOperator_MarksInvisibleCharacters(t *testing.T) {
	box := new(memorybox.Box)
	text := "a\u202eb\u200bc"
	box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: text, Endpoint: text, Type: text, ID: text, ReceivedAt: time.Now().Add(-time.Minute)}, inbox.Attempt{Error: text})
	require.NoError(t, box.Pause(inbox.WithActor(t.Context(), inbox.Actor{By: text, Reason: text}), inbox.Scope{Vendor: text, Type: text}))
	b := openInbox(t, desktop, box, "alice", "#dialog=pauses")
	b.until(`document.querySelectorAll('#pauses-list .mark-char').length === 8`)
	b.click("#pauses-list button")
	b.until(`document.querySelectorAll('#confirm-text .mark-char').length === 4`)
	b.click("#confirm-no")
	b.click("#pauses-close")
	b.until(`document.querySelectorAll('.row .mark-char').length === 10`)
	b.keys("a")
	b.until(`document.querySelectorAll('#all-first li .mark-char').length === 10`)
}

// TestOperator_StaysResponsive uses an inbox with 100,000 dead letters, or with 25,000 in its short form.
func TestOperator_StaysResponsive(t *testing.T) {
	n := 25_000
	if kit.Full() {
		n = 100_000
	}
	box, err := sqliteinbox.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqliteinbox.Options{MinFree: -1, DeadLetterRetention: sqliteinbox.Forever})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	now := time.Now()
	require.NoError(t, box.Transact(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?1)
			INSERT INTO aihooks_inbox (key, handler, type, delivery_id, received_at, state, due_at, takes, tried)
			SELECT randomblob(16), 'workflux/default', iif(n % 2, 'user.message', 'user.created'), 'delivery ' || n, ?2 + n * 1000000, 3, ?3 + n, 1, 1 FROM c`,
			n, now.Add(-time.Hour).UnixNano(), now.Add(-time.Hour).UnixMilli())
		return err
	}))
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, stats.DeadLettered)
	step := func(what string, f func()) { // each condition of a step has the patience of the tests
		began := time.Now()
		f()
		t.Logf("%s: %v", what, time.Since(began))
	}
	var b *tab
	step("open", func() {
		b = openInbox(t, desktop, box, "alice", "")
		b.until(rows(100) + all(n))
	})
	step("chart", func() {
		b.keys("g")
		b.until(`document.querySelectorAll('#chart svg').length === 4 && document.getElementById('chart-note').textContent.startsWith('More deliveries arrived')`)
	})
	step("preview", func() {
		b.keys("a")
		b.until(`document.getElementById('all-count').textContent === ` + fmt.Sprintf("(%d).toLocaleString()", n) + ` + ' dead letters. The newest are:'`)
		b.keys("\x1b")
		b.until(`!document.getElementById('all').open`)
	})
	step("filter", func() {
		b.keys(fmt.Sprintf("/%d", n-1))
		b.until(rows(1))
		b.keys("\x1b")
	})
	step("retry of one", func() {
		b.until(`document.activeElement === document.body`)
		b.keys("a")
		b.click(`[data-all="retry"]`)
		b.until(`document.activeElement.id === 'confirm-reason'`)
		b.click("#confirm-yes")
		b.until(`document.querySelector('.toast p')?.textContent.startsWith('1 entry was made pending again')`)
	})
}
