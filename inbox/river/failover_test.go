//go:build unix

package riverinbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// The pool keeps connections to a server that refuses writes. New connections reach another server.
func TestFailover_NextDeliveryReachesNewPrimary(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, server *pgtest.Server, box *riverinbox.Inbox, pool *pgxpool.Pool){
		"read-only": func(t *testing.T, server *pgtest.Server, box *riverinbox.Inbox, _ *pgxpool.Pool) {
			admin := poolOf(t, server.DSN("postgres"))
			defer admin.Close()
			for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
				_, err := admin.Exec(t.Context(), statement)
				require.NoError(t, err)
			}
			kit.Eventually(t, func() bool { return query[string](t, admin, "SHOW default_transaction_read_only") == "on" })
			awaitReadOnly(t, box)
		},
		"standby": func(t *testing.T, server *pgtest.Server, box *riverinbox.Inbox, _ *pgxpool.Pool) {
			require.NoError(t, server.Demote())
			awaitReadOnly(t, box)
		},
		"frozen": func(t *testing.T, server *pgtest.Server, _ *riverinbox.Inbox, pool *pgxpool.Pool) {
			openAll(t, pool)
			require.NoError(t, server.Pause())
			t.Cleanup(func() { require.NoError(t, server.Resume()) })
			kit.Eventually(t, func() bool { return pool.Stat().IdleConns() == 0 }) // they wait for responses
		},
	} {
		for _, pollOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, PollOnly %t", name, pollOnly), func(t *testing.T) {
				t.Parallel()
				older, newer := pgtest.New(t), pgtest.Shared(t)
				var server atomic.Pointer[pgtest.Server]
				server.Store(newer)
				pool := poolThrough(t, newer.Database(t), &server)
				database := query[string](t, pool, "SELECT current_database()::text")
				server.Store(older)
				for older.Database(t) != older.DSN(database) { //nolint:revive // creates databases until one has the same name
				}
				pool.Reset()
				options := fastRetry(5)
				options.Policy.Logger = slog.New(slog.DiscardHandler)
				box, err := riverinbox.New(pool, &options)
				require.NoError(t, err)
				c := &river.Config{Logger: options.Policy.Logger, TestOnly: true, PollOnly: pollOnly}
				require.NoError(t, box.Configure(c))
				for _, s := range []*pgtest.Server{newer, older} {
					server.Store(s)
					pool.Reset()
					require.NoError(t, box.Migrate(t.Context()))
				}
				client, err := river.NewClient(riverpgxv5.New(pool), c)
				require.NoError(t, err)
				require.NoError(t, box.Use(t.Context(), client))
				require.NoError(t, client.Start(context.Background()))
				t.Cleanup(func() {
					require.NoError(t, client.Stop(context.Background()))
					require.NoError(t, box.Close())
					pool.Close()
				})
				handler := newTestHandler(t, box, succeed)
				inboxkit.Run(t, box, handler.hook)
				handler.send("before")
				kit.Eventually(t, func() bool { return handler.calls("before") == 1 })

				end(t, older, box, pool)
				require.Equal(t, http.StatusServiceUnavailable, handler.post("meanwhile").Status)
				server.Store(newer)
				switched := time.Now()
				n := 0
				kit.Eventually(t, func() bool { n++; return handler.post(fmt.Sprint("after-", n)).Status == http.StatusOK })
				accepted := time.Since(switched)
				kit.Eventually(t, func() bool { return handler.calls(fmt.Sprint("after-", n)) == 1 })
				t.Logf("accepted %v and run %v after the switch, delivery %d", accepted.Round(10*time.Millisecond), time.Since(switched).Round(10*time.Millisecond), n)
				if name != "frozen" {
					return
				}
				called := make(chan string, 1)
				added := tenant(t, box, 1, called)
				require.NoError(t, box.Add(added))
				sender := convospheretest.NewSender(t, added, secret)
				kit.Eventually(t, func() bool { // some connections may still be the old ones
					return sender.Send(sender.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: "added"}})).Status == http.StatusOK
				})
				kit.Eventually(t, func() bool { return len(called) == 1 }, "the Run follows changes")
			})
		}
	}
}

// awaitReadOnly waits until the pool has connections to a server that refuses writes.
func awaitReadOnly(t *testing.T, box *riverinbox.Inbox) {
	t.Helper()
	kit.Eventually(t, func() bool {
		_, err := box.Enqueue(t.Context(), newDelivery("meanwhile", nil))
		return err != nil && strings.Contains(err.Error(), "25006")
	})
}

// openAll makes a pool open all its connections.
func openAll(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	kit.Eventually(t, func() bool {
		var acquired []*pgxpool.Conn
		for range pool.Stat().MaxConns() - pool.Stat().AcquiredConns() {
			c, err := pool.Acquire(t.Context())
			require.NoError(t, err)
			acquired = append(acquired, c)
		}
		for _, c := range acquired {
			c.Release()
		}
		return pool.Stat().TotalConns() == pool.Stat().MaxConns()
	})
}

// The process only runs deliveries that another one enqueues.
func TestFailover_IdleProcessReachesNewPrimary(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"before Run": true, "during Run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.New(t)
			dsn := server.Database(t)
			options := fastRetry(5)
			options.Lease = 15 * time.Second // what River could not record on the old connections runs again
			config := river.Config{PollOnly: true, JobTimeout: 10 * time.Second}
			idle := open(t, setup{dsn: dsn, options: options, config: config})
			idle.rescueOften()
			handler := newTestHandler(t, idle.box, succeed)
			if !early {
				inboxkit.Run(t, idle.box, handler.hook)
				handler.send("before")
				kit.Eventually(t, func() bool { return handler.calls("before") == 1 })
			}
			openAll(t, idle.pool) // more than one connects to the primary as it is now
			for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
				_, err := idle.pool.Exec(t.Context(), statement)
				require.NoError(t, err)
			}
			kit.Eventually(t, func() bool { return query[string](t, idle.pool, "SHOW default_transaction_read_only") == "on" })
			if early {
				inboxkit.Run(t, idle.box, handler.hook)
			}
			// New connections accept writes again, like those to a new primary.
			other := open(t, setup{dsn: dsn + "&default_transaction_read_only=off", options: options, config: config})
			_, err := other.pool.Exec(t.Context(), "ALTER ROLE postgres SET default_transaction_read_only = off")
			require.NoError(t, err)
			newTestHandler(t, other.box, succeed).send("a")
			kit.Eventually(t, func() bool { return handler.calls("a") >= 1 })
		})
	}
}

// poolThrough returns a pool whose new connections reach the server in the pointer.
func poolThrough(t testing.TB, dsn string, server *atomic.Pointer[pgtest.Server]) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = 6
	config.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(server.Load().Dir(), ".s.PGSQL.5432"))
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	return pool
}
