//go:build unix

package riverinbox_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// configured returns an inbox and its client before Use.
func configured(t *testing.T, pool *pgxpool.Pool, schema, table string) (*riverinbox.Inbox, *riverinbox.Client) {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	log := new(logtest.LogBuffer)
	t.Cleanup(func() {
		require.Zero(t, log.Count("unannounced deliveries failed"), "the tables must be found in every statement:\n%s", log)
	})
	o := fastRetry(1)
	o.Namespace, o.Table, o.Policy.Logger = "test", table, log.Text()
	box, err := riverinbox.New(pool, &o)
	require.NoError(t, err)
	c := &river.Config{Schema: schema, Logger: discard, TestOnly: true}
	require.NoError(t, box.Configure(c))
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box, client
}

func TestUse_NamesMissingTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema, table string
		migrate       bool
		statements    []string
		want          []string
	}{
		"nothing":                {want: []string{"table aihooks_idempotency does not exist", "call Migrate first", "sqlstore.Schema"}},
		"table of the store":     {table: "keys", migrate: true, statements: []string{"DROP TABLE keys"}, want: []string{"table keys does not exist", "call Migrate first"}},
		"tables of River":        {statements: []string{sqlstore.Schema(sqlstore.PostgreSQL, "")}, want: []string{"table river_job does not exist", "call Migrate first, or run River's command river migrate-up"}},
		"River's in the schema":  {schema: "hooks", migrate: true, statements: []string{"ALTER TABLE hooks.river_job SET SCHEMA public"}, want: []string{`table "hooks"."river_job" does not exist`, "river migrate-up --schema hooks"}},
		"table of the inbox":     {migrate: true, statements: []string{"DROP TABLE aihooks_inbox_record"}, want: []string{`table "public"."aihooks_inbox_record" does not exist`, "call Migrate first", `the SQL of riverinbox.Schema("public")`, "when you update"}},
		"the inbox's, elsewhere": {schema: "hooks", migrate: true, statements: []string{"ALTER TABLE hooks.aihooks_inbox_record SET SCHEMA public"}, want: []string{`table "hooks"."aihooks_inbox_record" does not exist`, `riverinbox.Schema("hooks")`}},
		"one of River's":         {migrate: true, statements: []string{"DROP TABLE river_leader"}, want: []string{"table river_leader does not exist"}},
		"a column of River's":    {migrate: true, statements: []string{"ALTER TABLE river_job DROP COLUMN unique_states CASCADE"}, want: []string{"of another version", "unique_states", "river migrate-up"}},
		"the right to read":      {migrate: true, statements: []string{"CREATE ROLE reader", "GRANT SELECT ON aihooks_idempotency TO reader", "ALTER ROLE postgres SET role = reader"}, want: []string{"cannot be read", "permission denied for table river_job"}},
		"the right to read its own": {migrate: true, statements: []string{"CREATE ROLE reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "REVOKE ALL ON aihooks_inbox_record FROM reader", "ALTER ROLE postgres SET role = reader"},
			want: []string{"table aihooks_inbox_record cannot be read, so no callback would run; grant SELECT, INSERT, UPDATE and DELETE", "permission denied for table aihooks_inbox_record"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dsn string
			if strings.HasPrefix(name, "the right to read") { // roles belong to the whole server
				dsn = pgtestNew(t)
			} else {
				dsn = pgtest.Shared(t).Database(t)
			}
			pool := poolOf(t, dsn)
			t.Cleanup(pool.Close)
			makeSchema(t, pool, c.schema)
			box, client := configured(t, pool, c.schema, c.table)
			if c.migrate {
				require.NoError(t, box.Migrate(t.Context()))
				require.NoError(t, box.Use(t.Context(), client))
				box, client = configured(t, pool, c.schema, c.table)
			}
			for _, statement := range c.statements {
				_, err := pool.Exec(t.Context(), statement)
				require.NoError(t, err)
			}
			pool.Reset()
			err := box.Use(t.Context(), client)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestUse_RefusesTablesOfOlderRiver(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: 5})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), sqlstore.Schema(sqlstore.PostgreSQL, ""))
	require.NoError(t, err)
	box, client := configured(t, pool, "", "")
	require.ErrorContains(t, box.Use(t.Context(), client), "of another version")
	require.NoError(t, box.Migrate(t.Context()))
	require.NoError(t, box.Use(t.Context(), client))
}

// TestSchemas_EverythingWorks has tables that are not in the first schema of the search path, and a user who may not create
// anything.
func TestSchemas_EverythingWorks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema, table string
		path          string // of the migrating connection
		search        string // of the others
	}{
		"named schema":                {"hooks", "hooks.aihooks_idempotency", "", ""},
		"named schemas, two":          {"hooks", "keys.seen", "", ""},
		"second of the search path":   {"", "", "hooks", "newer,hooks"},
		"named, and on the path last": {"hooks", "seen", "keys", "newer,public,keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtestNew(t)
			admin := poolOf(t, dsn+searchPath(c.path))
			t.Cleanup(admin.Close)
			for _, schema := range []string{"hooks", "keys", "newer"} {
				makeSchema(t, admin, schema)
			}
			box, _ := configured(t, admin, c.schema, c.table)
			require.NoError(t, box.Migrate(t.Context()))
			_, err := admin.Exec(t.Context(), `CREATE ROLE limited LOGIN;
				GRANT USAGE ON SCHEMA hooks, keys, newer TO limited;
				GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hooks, keys TO limited;
				GRANT USAGE ON ALL SEQUENCES IN SCHEMA hooks TO limited`)
			require.NoError(t, err)
			pool := poolOf(t, strings.Replace(dsn, "user=postgres", "user=limited", 1)+searchPath(c.search))
			t.Cleanup(pool.Close)
			box, client := configured(t, pool, c.schema, c.table)
			require.NoError(t, box.Migrate(t.Context()), "all tables are there")
			require.NoError(t, box.Use(t.Context(), client))
			require.NoError(t, client.Start(context.Background()))
			t.Cleanup(func() { require.NoError(t, client.Stop(context.Background())) })
			handler := newTestHandler(t, box, func(_ context.Context, d *webhook.Delivery) error {
				if strings.HasPrefix(d.ID, "bad") {
					return webhook.Permanent(context.Canceled)
				}
				return nil
			})
			inboxkit.Run(t, box, handler.hook)
			handler.send("a", "b", "c", "bad") // of which the last ones are not announced
			for _, id := range []string{"a", "b", "c"} {
				kit.Eventually(t, func() bool { return handler.calls(id) == 1 })
			}
			kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
			n, err := box.Discard(t.Context(), inbox.Filter{All: true})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			tool, err := riverinbox.Attach(t.Context(), pool, c.schema)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, tool.Close()) })
			for _, box := range []*riverinbox.Inbox{box, tool} {
				page, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{State: inbox.Done}})
				require.NoError(t, err)
				require.NotEmpty(t, page.Entries)
				require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: "other"}))
				require.NoError(t, box.Resume(t.Context(), inbox.Scope{Vendor: "other"}))
			}
			changes, err := tool.Audit(t.Context())
			require.NoError(t, err)
			require.Len(t, changes, 5)
			require.Equal(t, 3, query[int](t, admin, `SELECT count(*)::int FROM pg_class WHERE relkind = 'r' AND relname IN ('river_job', 'aihooks_inbox_record', 'aihooks_idempotency', 'seen')`))
			require.True(t, query[bool](t, admin, `SELECT count(DISTINCT relnamespace) = 1 FROM pg_class WHERE relkind = 'r' AND relname IN ('river_job', 'aihooks_inbox_record')`))
		})
	}
}

func searchPath(path string) string {
	if path == "" {
		return ""
	}
	return "&search_path=" + path
}

func TestCheckHandler_RefusesBodyTooLargeForJSONB(t *testing.T) {
	t.Parallel()
	const most = 189 << 20
	box := newBox(t, riverinbox.Options{})
	for limit, ok := range map[int64]bool{0: true, 8 << 20: true, most: true, most + 1: false, 200 << 20: false, 1 << 40: false} {
		_, err := convosphere.NewHandler(secret, &webhook.Options{Inbox: box, MaxBody: limit, ReadBudget: webhook.NewReadBudget(1 << 42), Logger: slog.New(slog.DiscardHandler)})
		if ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "must be at most 198180864")
		require.ErrorContains(t, err, "Options.MaxBody")
	}
	// The limit is the server's: what is refused here is a little less than what it refuses.
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)
	for length, want := range map[int]string{
		most/3*4 + 3<<20: "", // with headers and the rest
		1<<28 - 4:        "total size of jsonb object elements exceeds the maximum of 268435455 bytes",
	} {
		var stored bool
		err := pool.QueryRow(t.Context(), `SELECT jsonb_build_object('body', repeat('x', $1)) IS NOT NULL`, length).Scan(&stored)
		if want == "" {
			require.NoError(t, err, length)
		} else {
			require.ErrorContains(t, err, want, length)
		}
	}
}
