//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// started is the scope of the deliveries that a testHandler sends itself.
var started = inbox.Scope{Vendor: "convosphere", Type: convosphere.TypeConversationStarted}

// A lost delivery may have crashed its process. While it is paused, it must stay a suspect, which runs alone later.
func TestPause_KeepsSuspect(t *testing.T) {
	t.Parallel()
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(3)})
	alone := make(chan int, 1)
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error {
		alone <- query[int](t, instance.pool, `SELECT coalesce((metadata->'output'->>'alone')::int, 0) FROM river_job`)
		return webhook.Permanent(errors.New("no"))
	})
	require.NoError(t, instance.box.Pause(t.Context(), started))
	handler.send("a")
	mustExec(t, instance.pool, `UPDATE river_job SET attempt = 1, attempted_at = now()`) // its process was lost
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return len(listed(t, instance.box, inbox.Filter{State: inbox.Deferred})) == 1 })
	e := listed(t, instance.box, inbox.Filter{})[0]
	require.Equal(t, []webhook.Outcome{inbox.Lost, inbox.Paused}, outcomesOf(e))
	require.Zero(t, handler.calls("a"))
	require.NoError(t, instance.box.Resume(t.Context(), started))
	require.Equal(t, 2, <-alone, "the attempt that runs alone is marked")
	kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, instance.box)) == 1 })
	e = inboxkit.DeadLetters(t, instance.box)[0]
	require.Equal(t, []webhook.Outcome{inbox.Lost, inbox.Paused, webhook.DeadLettered}, outcomesOf(e))
	require.False(t, e.Attempts[1].Counted)
}

// Until a Run has read the pauses once, it must run nothing.
func TestRun_WaitsForPauses(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	log := new(logtest.LogBuffer)
	options := fastRetry(3)
	options.Policy.Logger = log.Text()
	instance := open(t, setup{dsn: server.Database(t), options: options})
	handler := newTestHandler(t, instance.box, succeed)
	require.NoError(t, instance.box.Pause(t.Context(), started))
	handler.send("paused")
	_, err := instance.box.Enqueue(t.Context(), newDelivery("other type", []byte(`{"event": "conversation.ended", "id": "other type"}`)))
	require.NoError(t, err)

	// The jobs can be read, and the pauses cannot.
	mustExec(t, instance.pool, `ALTER TABLE aihooks_inbox_record RENAME TO moved`)
	began := time.Now()
	stop := inboxkit.Run(t, instance.box, handler.hook)
	snoozed := `SELECT count(*) = 2 FROM river_job WHERE metadata ? 'snoozes'`
	kit.Eventually(t, func() bool { return query[bool](t, instance.pool, snoozed) }, "both were taken out of the queue, and neither could run")
	require.Zero(t, handler.called.Total())
	failures := func() int { return log.Count("reading the pauses failed") }
	kit.Eventually(t, func() bool { return failures() > 0 })
	require.LessOrEqual(t, failures(), 1+int(time.Since(began)/(5*time.Second)), "one report in five seconds: %s", log)
	require.Contains(t, log.String(), "call Migrate first")
	stop()
	mustExec(t, instance.pool, `ALTER TABLE moved RENAME TO aihooks_inbox_record`)

	require.NoError(t, server.Crash())
	inboxkit.Run(t, instance.box, handler.hook)
	kit.Eventually(t, func() bool { return log.Count("does not work a queue yet") > 1 })
	require.NoError(t, server.Start())
	kit.Eventually(t, func() bool { return handler.calls("other type") == 1 })
	kit.Eventually(t, func() bool {
		return len(listed(t, instance.box, inbox.Filter{State: inbox.Deferred, Text: "paused"})) == 1
	})
	require.Zero(t, handler.calls("paused"))
}

// Maintenance looks for deferred deliveries each minute. After Resume, a Run must look at once, and again a little later:
// another Run may defer deliveries until it notices the end of the pause.
func TestResume_RunsDeferredSoon(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	tool := open(t, setup{dsn: dsn})
	setKind := func(id, kind string) {
		mustExec(t, tool.pool, fmt.Sprintf(`UPDATE river_job SET kind = '%s' WHERE args->>'id' = '%s'`, kind, id))
	}
	round := 0
	kit.Quick(t, 40*time.Second, func() { // maintenance comes each minute
		round++
		a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
		service := open(t, setup{dsn: dsn, options: fastRetry(3)})
		defer service.close()
		handler := newTestHandler(t, service.box, succeed)
		require.NoError(t, service.box.Pause(t.Context(), started))
		handler.send(a, b)
		stop := inboxkit.Run(t, service.box, handler.hook)
		defer stop()
		kit.Eventually(t, func() bool { return len(listed(t, tool.box, inbox.Filter{State: inbox.Deferred})) == 2 })
		setKind(b, "hidden")
		require.NoError(t, service.box.Resume(t.Context(), started))
		kit.Eventually(t, func() bool { return handler.calls(a) == 1 })
		setKind(b, riverinbox.Kind) // is deferred late
		kit.Eventually(t, func() bool { return handler.calls(b) == 1 })
	})
}

func TestRecords_SurviveAnyKey(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	scopes := []inbox.Scope{{Vendor: "a"}, {Endpoint: "a"}, {Type: "a"}, {Type: "'; DROP TABLE river_job; --"}, {Type: "\x00\xff é"}, {Type: "~"}, {Vendor: "%_"}, {Type: strings.Repeat("x", 2000)}}
	for _, name := range []string{"bob", "alice"} { // the second time replaces
		for _, s := range scopes {
			require.NoError(t, box.Pause(inbox.WithActor(t.Context(), inbox.Actor{By: name}), s))
		}
	}
	pauses, err := box.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, len(scopes))
	require.Equal(t, "alice", pauses[0].By)
	for _, s := range scopes {
		require.NoError(t, box.Resume(t.Context(), s))
		require.ErrorIs(t, box.Resume(t.Context(), s), inbox.ErrNotFound)
	}
	pauses, err = box.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)
	require.Equal(t, 3*len(scopes), query[int](t, pool, `SELECT count(*)::int FROM aihooks_inbox_record`), "the audit")
}

func TestControls_NeedUse(t *testing.T) {
	t.Parallel()
	box, err := riverinbox.New(unusedPool(t), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	_, errList := box.List(t.Context(), inbox.Query{})
	_, errEntry := box.Entry(t.Context(), "1")
	_, errPauses := box.Pauses(t.Context())
	_, errAudit := box.Audit(t.Context())
	_, errRetry := box.Retry(t.Context(), inbox.Filter{All: true})
	for _, err := range []error{errList, errEntry, errPauses, errAudit, errRetry, box.Pause(t.Context(), started), box.Resume(t.Context(), started)} {
		require.ErrorContains(t, err, "call Use")
	}
}

func TestMigrate_CreatesRecordsNextToRiver(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	admin := poolOf(t, dsn+"&search_path=hooks")
	t.Cleanup(admin.Close)
	makeSchema(t, admin, "hooks")
	makeSchema(t, admin, "newer")
	box, _ := configured(t, admin, "", "")
	require.NoError(t, box.Migrate(t.Context()))
	mustExec(t, admin, `DROP TABLE aihooks_inbox_record`) // as in an older version
	pool := poolOf(t, dsn+"&search_path=newer,hooks")
	t.Cleanup(pool.Close)
	// The table of another inbox, whose River tables are elsewhere, must not be used.
	mustExec(t, admin, `CREATE SCHEMA others`, riverinbox.Schema("others"))
	for range 2 {
		box, client := configured(t, pool, "", "")
		if !query[bool](t, admin, `SELECT to_regclass('hooks.aihooks_inbox_record') IS NOT NULL`) {
			require.ErrorContains(t, box.Use(t.Context(), client), `table "hooks"."aihooks_inbox_record" does not exist; call Migrate first`)
		}
		require.NoError(t, box.Migrate(t.Context()))
		require.NoError(t, box.Use(t.Context(), client))
		require.NoError(t, box.Pause(t.Context(), started))
	}
	require.Equal(t, 3, query[int](t, admin, `SELECT count(*)::int FROM hooks.aihooks_inbox_record`))
}

func TestSchema_CreatesTheTable(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)
	makeSchema(t, pool, "hooks")
	box, client := configured(t, pool, "hooks", "")
	require.NoError(t, box.Migrate(t.Context()))
	mustExec(t, pool, `DROP TABLE hooks.aihooks_inbox_record`)
	require.ErrorContains(t, box.Use(t.Context(), client), `riverinbox.Schema("hooks")`)
	for range 2 {
		mustExec(t, pool, riverinbox.Schema("hooks"))
	}
	require.NoError(t, box.Use(t.Context(), client))
	require.NoError(t, box.Pause(t.Context(), started))
}

// blocked waits until n statements on a database wait for a lock.
func blocked(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	kit.Eventually(t, func() bool {
		return query[int](t, pool, `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == n
	})
}

func TestOutage_EndsOperationMidway(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	dsn := server.Database(t)
	options := fastRetry(1)
	options.Policy.Logger = slog.New(slog.DiscardHandler)
	instance := open(t, setup{dsn: dsn, options: options})
	const n, before = 80, 60
	enqueueAll(t, instance.box, n)
	mustExec(t, instance.pool, `UPDATE river_job SET state = 'cancelled', finalized_at = now() + id * interval '1 ms'`)
	for what, operate := range map[string]func(context.Context, inbox.Filter) (int, error){"retry": instance.box.Retry, "rerun": instance.box.Rerun} {
		holder := poolOf(t, dsn)
		tx, err := holder.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SELECT 1 FROM river_job WHERE args->>'id' = $1 FOR UPDATE`, fmt.Sprint(before))
		require.NoError(t, err)
		type result struct {
			n   int
			err error
		}
		ended := make(chan result, 1)
		by := inbox.WithActor(context.Background(), inbox.Actor{By: what})
		go func() {
			n, err := operate(by, inbox.Filter{All: true})
			ended <- result{n, err}
		}()
		blocked(t, instance.pool, 1)
		require.NoError(t, server.Crash())
		got := <-ended
		require.Error(t, got.err, what)
		require.Equal(t, before, got.n, what)
		_ = tx.Rollback(t.Context()) // the connection is closed
		holder.Close()
		require.NoError(t, server.Start())
		kit.Eventually(t, func() bool { return instance.box.Ready(t.Context()) == nil })
		require.Len(t, inboxkit.DeadLetters(t, instance.box), n-before, "%s: what was committed stays, and the rest did not change", what)
		changes, err := instance.box.Audit(t.Context())
		require.NoError(t, err)
		require.Equal(t, what, changes[0].By, "the record was written before the first change")
		require.Contains(t, []int{0, before}, changes[0].Entries, "the number could be written only before the server's last process ended")
		mustExec(t, instance.pool, `UPDATE river_job SET state = 'cancelled', finalized_at = now() + id * interval '1 ms'`)
	}
	retried, err := instance.box.Retry(t.Context(), inbox.Filter{All: true})
	require.NoError(t, err)
	require.Equal(t, n, retried)
}

func TestOutage_EndsListMidway(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	dsn := server.Database(t)
	instance := open(t, setup{dsn: dsn, options: fastRetry(1)})
	enqueueAll(t, instance.box, 5)
	tool, pool := attach(t, dsn, "")
	tx, err := instance.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE river_job IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := tool.List(context.Background(), inbox.Query{})
		ended <- err
	}()
	kit.Eventually(t, func() bool {
		return query[int](t, pool, `SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH RECURSIVE found%'`) == 1
	})
	require.NoError(t, server.Crash())
	require.ErrorContains(t, <-ended, "riverinbox: ")
	_, err = tool.List(t.Context(), inbox.Query{})
	require.ErrorContains(t, err, "riverinbox: ")
	_, err = tool.Pauses(t.Context())
	require.ErrorContains(t, err, "riverinbox: ")
	require.NoError(t, server.Start())
	kit.Eventually(t, func() bool {
		page, err := tool.List(t.Context(), inbox.Query{})
		return err == nil && len(page.Entries) == 5
	})
}

// A dead letter that fails again while Retry runs has a later place in its order.
func TestRetry_RetriesEachOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	instance := open(t, setup{dsn: pgtest.Shared(t).Database(t), options: fastRetry(1)})
	handler := newTestHandler(t, instance.box, func(context.Context, *webhook.Delivery) error { return webhook.Permanent(errors.New("no")) })
	inboxkit.Run(t, instance.box, handler.hook)
	for i := range n {
		handler.send(fmt.Sprint(i))
	}
	dead := func() bool {
		stats, err := instance.box.Stats(t.Context())
		return err == nil && stats.DeadLettered == n
	}
	kit.Eventually(t, dead)
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	retried, err := instance.box.Retry(ctx, inbox.Filter{All: true})
	require.NoError(t, err)
	require.Equal(t, n, retried)
}
