//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// The steps are those of docs/inboxes.md. The store has already moved, and now the inbox moves.
func TestMigration_LosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	database, old := server.Database(t), "sqlite:"+filepath.Join(t.TempDir(), "inbox.db")
	env := []string{"EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "STORE=" + database}
	send := func(p *process, id int) {
		sender := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
		accepted(t, sender, sender.Event(&emberqa.RedFlag{Event: webhook.Event{ID: fmt.Sprintf("delivery-%d", id)}}))
	}
	const before, after = 20, 30

	// Every callback of the first process fails, so that all deliveries wait for their second attempt.
	first := start(t, append(env, "INBOX="+old, "FAIL_FIRST=100")...)
	for id := range before {
		send(first, id)
	}
	for range before {
		var line printed
		first.read(&line)
	}
	require.Zero(t, first.stop(), first.log.String())

	second := start(t, append(env, "INBOX=river:"+database, "OLD_INBOX="+old)...)
	for id := range after { // the vendor also sends the old deliveries again
		send(second, id)
	}
	ran := make(map[string]int)
	for range after {
		var line printed
		second.read(&line)
		ran[line.ID]++
	}
	require.Len(t, ran, after, "each delivery must run once")
	require.Eventually(t, func() bool { return left(t, strings.TrimPrefix(old, "sqlite:"), database) == 0 }, patience, 50*time.Millisecond)
	require.Zero(t, second.stop(), second.log.String())
	require.Empty(t, second.lines, "a callback ran again")
}

// left returns how many deliveries the SQLite inbox and the River inbox may still run.
func left(t *testing.T, path, database string) (n int) {
	t.Helper()
	box, err := sqliteinbox.Attach(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, box.Close()) }()
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	db, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(t.Context())) }()
	const query = `SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')`
	require.NoError(t, db.QueryRow(t.Context(), query).Scan(&n))
	return n + stats.Pending + stats.Running
}
