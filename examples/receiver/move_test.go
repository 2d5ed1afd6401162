//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// The steps are those of docs/inboxes.md: the store has moved before, and now the inbox does.
func TestMovingFromSQLiteToRiverLosesAndRepeatsNothing(t *testing.T) {
	server := pgtest.New(t)
	database, old := server.Database(t), "sqlite:"+filepath.Join(t.TempDir(), "inbox.db")
	env := []string{"EMBERQA_TOKEN=a-token-of-enough-length", "STORE=" + database}
	send := func(p *process, id int) {
		sender := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
		sender.Send(sender.Event(&emberqa.RedFlag{Event: webhook.Event{ID: fmt.Sprintf("delivery-%d", id)}})).WantOK()
	}
	const before, after = 20, 30

	// Every callback of the first process fails, so that all is left over, and waits for its second attempt.
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
	for id := range after { // those of before come again: the vendor has not seen every answer
		send(second, id)
	}
	ran := make(map[string]int)
	for range after {
		var line printed
		second.read(&line)
		ran[line.ID]++
	}
	require.Len(t, ran, after, "each once")
	time.Sleep(6 * time.Second) // past the backoff: whatever were to run a second time would have begun by then
	require.Zero(t, second.stop(), second.log.String())
	require.Empty(t, second.lines, "called back again")
}
