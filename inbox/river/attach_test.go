//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// attach opens a tool on a new pool.
func attach(t *testing.T, dsn, schema string) (*riverinbox.Inbox, *pgxpool.Pool) {
	t.Helper()
	pool := poolOf(t, dsn)
	t.Cleanup(pool.Close)
	tool, err := riverinbox.Attach(t.Context(), pool, schema)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tool.Close()) })
	return tool, pool
}

// listed returns the entries of the first page.
func listed(t testing.TB, box *riverinbox.Inbox, f inbox.Filter) []inbox.Entry {
	t.Helper()
	page, err := box.List(t.Context(), inbox.Query{Filter: f})
	require.NoError(t, err)
	return page.Entries
}

func TestAttach_WorksNextToService(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	service := open(t, setup{dsn: dsn, schema: "hooks", options: fastRetry(1)})
	running := make(chan struct{})
	handler := newTestHandler(t, service.box, func(ctx context.Context, d *webhook.Delivery) error {
		if d.ID == "running" {
			close(running)
			<-ctx.Done()
		}
		return errors.New("no")
	})
	inboxkit.Run(t, service.box, handler.hook)
	handler.send("a", "b", "c", "running")
	<-running
	tool, _ := attach(t, dsn+"&synchronous_commit=off", "hooks") // a tool acknowledges no deliveries
	require.NoError(t, tool.Ready(t.Context()))
	kit.Eventually(t, func() bool { return len(listed(t, tool, inbox.Filter{State: inbox.DeadLettered})) == 3 })
	require.Zero(t, listed(t, tool, inbox.Filter{State: inbox.Running})[0].Due, "the lease is unknown")
	require.NotZero(t, listed(t, service.box, inbox.Filter{State: inbox.Running})[0].Due)
	stats, err := tool.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{DeadLettered: 3, Running: 1}, stats.Counts)
	a := listed(t, tool, inbox.Filter{Text: "a", Type: convosphere.TypeConversationStarted, State: inbox.DeadLettered})
	e, err := tool.Entry(t.Context(), a[0].ID)
	require.NoError(t, err)
	require.NotEmpty(t, e.Delivery.Body)
	require.Len(t, inboxkit.DeadLetters(t, tool), 3)

	byID := make(map[string]string)
	for _, e := range listed(t, tool, inbox.Filter{}) {
		byID[e.Delivery.ID] = e.ID
	}
	for name, operate := range map[string]func(context.Context, inbox.Filter) (int, error){"a": tool.Retry, "b": tool.Rerun, "c": tool.Discard} {
		n, err := operate(t.Context(), inbox.Filter{ID: byID[name]})
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	kit.Eventually(t, func() bool { return handler.calls("a") == 2 && handler.calls("b") == 2 })
	require.Equal(t, 1, handler.calls("c"))
	scope := inbox.Scope{Type: convosphere.TypeConversationStarted}
	require.NoError(t, tool.Pause(t.Context(), scope))
	pauses, err := service.box.Pauses(t.Context())
	require.NoError(t, err)
	require.Equal(t, scope, pauses[0].Scope)
	require.NoError(t, tool.Resume(t.Context(), scope))
	changes, err := service.box.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, 5)
}

func TestAttach_RefusesServiceMethods(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	service := open(t, setup{dsn: dsn})
	tool, _ := attach(t, dsn, "")
	const want = "opened by Attach"
	_, err := tool.Enqueue(t.Context(), newDelivery("a", nil))
	require.ErrorContains(t, err, want)
	require.ErrorContains(t, tool.Run(t.Context(), newTestHandler(t, service.box, succeed).hook), want)
	require.ErrorContains(t, tool.Configure(new(river.Config)), want)
	require.ErrorContains(t, tool.Migrate(t.Context()), want)
	require.Error(t, tool.Use(t.Context(), service.client))
	_, err = convosphere.NewHandler(secret, &webhook.Options{Inbox: tool})
	require.ErrorContains(t, err, want)
	require.Zero(t, query[int](t, service.pool, `SELECT count(*)::int FROM river_job`))
}

// dump returns everything in the database: its tables with their rows, and its sequences.
func dump(t testing.TB, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	content := make(map[string]string)
	for _, kind := range []string{"r", "S"} {
		rows, err := pool.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = $1`, kind)
		require.NoError(t, err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, name := range names {
			if kind == "S" {
				content[name] = query[string](t, pool, `SELECT concat(last_value, is_called) FROM `+name)
			} else {
				content[name] = query[string](t, pool, `SELECT coalesce(string_agg(concat(xmin, t), E'\n' ORDER BY t::text), '') FROM `+name+` t`)
			}
		}
	}
	return content
}

// fillStopped returns the DSN of an inbox with a dead letter, a pending delivery and a pause, whose service is stopped.
func fillStopped(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Shared(t).Database(t)
	service := open(t, setup{dsn: dsn, options: fastRetry(1)})
	enqueueAll(t, service.box, 2)
	mustExec(t, service.pool, `UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE args->>'id' = '0'`)
	require.NoError(t, service.box.Pause(t.Context(), inbox.Scope{Vendor: "convosphere"}))
	service.close()
	return dsn
}

func TestAttach_ReadOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{"read-only": "&default_transaction_read_only=on", "writable": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := fillStopped(t)
			admin := poolOf(t, dsn)
			t.Cleanup(admin.Close)
			before := dump(t, admin)
			require.Contains(t, before, "aihooks_inbox_record")
			require.NotEmpty(t, before["river_job"])
			tool, _ := attach(t, dsn+setting, "")
			entries := listed(t, tool, inbox.Filter{})
			require.Len(t, entries, 2)
			require.Len(t, listed(t, tool, inbox.Filter{State: inbox.DeadLettered, Text: "CONVERSATION"}), 1)
			e, err := tool.Entry(t.Context(), entries[0].ID)
			require.NoError(t, err)
			require.NotEmpty(t, e.Delivery.Body)
			require.Len(t, inboxkit.DeadLetters(t, tool), 1)
			stats, err := tool.Stats(t.Context())
			require.NoError(t, err)
			require.Equal(t, inbox.Counts{DeadLettered: 1, Pending: 1}, stats.Counts)
			pauses, err := tool.Pauses(t.Context())
			require.NoError(t, err)
			require.Len(t, pauses, 1)
			changes, err := tool.Audit(t.Context())
			require.NoError(t, err)
			require.Len(t, changes, 1)
			if setting != "" {
				for what, operate := range map[string]func() error{
					"retry":   func() error { _, err := tool.Retry(t.Context(), inbox.Filter{All: true}); return err },
					"rerun":   func() error { _, err := tool.Rerun(t.Context(), inbox.Filter{All: true}); return err },
					"discard": func() error { _, err := tool.Discard(t.Context(), inbox.Filter{All: true}); return err },
					"pause":   func() error { return tool.Pause(t.Context(), inbox.Scope{Type: "x"}) },
					"resume":  func() error { return tool.Resume(t.Context(), inbox.Scope{Vendor: "convosphere"}) },
				} {
					require.ErrorContains(t, operate(), "read-only transaction", what)
				}
				require.ErrorContains(t, tool.Ready(t.Context()), "accepts no writes")
			}
			require.NoError(t, tool.Close())
			require.Equal(t, before, dump(t, admin))
		})
	}
}

func TestAttach_NamesMissingInbox(t *testing.T) {
	t.Parallel()
	migrate := func(t *testing.T, pool *pgxpool.Pool, version int) {
		t.Helper()
		migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: version})
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		schema  string
		prepare func(t *testing.T, pool *pgxpool.Pool)
		want    []string
	}{
		"nothing":        {"", nil, []string{"riverinbox: Attach: there is no inbox: the search path of database", "has no table river_job"}},
		"schema":         {"hooks", nil, []string{`the schema "hooks" of database "test_`, "has no table river_job"}},
		"invalid schema": {"a b", nil, []string{"Schema name can only contain letters"}},
		"another schema": {"hooks", func(t *testing.T, pool *pgxpool.Pool) { migrate(t, pool, -1) }, []string{`the schema "hooks"`, "pass the database, and the schema, of the service"}},
		"River alone":    {"", func(t *testing.T, pool *pgxpool.Pool) { migrate(t, pool, -1) }, []string{"has River's tables, but neither a table aihooks_inbox_record nor a job of kind aihooks_delivery"}},
		"older River":    {"", func(t *testing.T, pool *pgxpool.Pool) { migrate(t, pool, 5) }, []string{"of another version than this program", "unique_states"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := poolOf(t, pgtest.Shared(t).Database(t))
			t.Cleanup(pool.Close)
			if c.prepare != nil {
				c.prepare(t, pool)
			}
			before := dump(t, pool)
			_, err := riverinbox.Attach(t.Context(), pool, c.schema)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.Equal(t, before, dump(t, pool), "no tables are created")
		})
	}
	_, err := riverinbox.Attach(t.Context(), nil, "")
	require.ErrorContains(t, err, "needs a pool")
	_, err = riverinbox.Attach(t.Context(), unusedPool(t), "")
	require.ErrorContains(t, err, "failed to connect")
}

func TestAttach_ReadsInboxOfOlderVersion(t *testing.T) {
	t.Parallel()
	dsn := fillStopped(t)
	admin := poolOf(t, dsn)
	t.Cleanup(admin.Close)
	mustExec(t, admin, `DROP TABLE aihooks_inbox_record`)
	tool, _ := attach(t, dsn, "")
	before := dump(t, admin)
	require.Len(t, listed(t, tool, inbox.Filter{}), 2)
	require.Len(t, inboxkit.DeadLetters(t, tool), 1)
	_, err := tool.Stats(t.Context())
	require.NoError(t, err)
	pauses, err := tool.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)
	changes, err := tool.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, changes)
	const want = `table aihooks_inbox_record does not exist; call Migrate first, or run the SQL of riverinbox.Schema("")`
	_, err = tool.Retry(t.Context(), inbox.Filter{All: true})
	require.ErrorContains(t, err, want)
	_, err = tool.Discard(t.Context(), inbox.Filter{All: true})
	require.ErrorContains(t, err, want)
	require.ErrorContains(t, tool.Pause(t.Context(), inbox.Scope{Type: "x"}), want)
	require.ErrorContains(t, tool.Resume(t.Context(), inbox.Scope{Type: "x"}), want)
	require.Equal(t, before, dump(t, admin))
	mustExec(t, admin, riverinbox.Schema(""))
	n, err := tool.Retry(t.Context(), inbox.Filter{All: true})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// The documentation names the permissions of a tool that only reads.
func TestAttach_NeedsOnlySelectToRead(t *testing.T) {
	t.Parallel()
	dsn := pgtestNew(t)
	service := open(t, setup{dsn: dsn, schema: "hooks", options: fastRetry(1)})
	enqueueAll(t, service.box, 2)
	mustExec(t, service.pool, `CREATE ROLE reader LOGIN`, `GRANT USAGE ON SCHEMA hooks TO reader`,
		`GRANT SELECT ON hooks.river_job, hooks.aihooks_inbox_record TO reader`)
	tool, _ := attach(t, strings.Replace(dsn, "user=postgres", "user=reader", 1), "hooks")
	entries := listed(t, tool, inbox.Filter{})
	require.Len(t, entries, 2)
	_, err := tool.Entry(t.Context(), entries[0].ID)
	require.NoError(t, err)
	require.Empty(t, inboxkit.DeadLetters(t, tool))
	_, err = tool.Stats(t.Context())
	require.NoError(t, err)
	_, err = tool.Pauses(t.Context())
	require.NoError(t, err)
	_, err = tool.Audit(t.Context())
	require.NoError(t, err)
	require.NoError(t, tool.Ready(t.Context()))
	require.ErrorContains(t, tool.Pause(t.Context(), started), "permission denied for table aihooks_inbox_record")
}
