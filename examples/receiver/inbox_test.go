//go:build unix

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestInbox_RespondsBeforeCallbackAndRetries(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	sqlite := func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "inbox.db") }
	river := func(t *testing.T) string { return "river:" + server.Database(t) }
	for name, test := range map[string]struct {
		inbox func(t *testing.T) string
		store string
	}{
		"SQLite, with its own store":     {sqlite, ""},
		"SQLite, with a store elsewhere": {sqlite, server.Database(t)},
		"River, with its own store":      {river, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d *webhooktest.Delivery
			send := func(p *process) {
				sender := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
				if d == nil {
					d = sender.Sample("red_flag")
				}
				accepted(t, sender, d)
			}
			var env []string
			var first *process
			for range 5 { // a busy machine may respond after the callback, although it does not wait for it
				env = []string{
					"EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "FAIL_FIRST=1", "HANDLER_DELAY=5s",
					"INBOX=" + test.inbox(t), "STORE=" + test.store,
				}
				first, d = start(t, env...), nil
				send(first)
				if len(first.lines) == 0 {
					break
				}
			}
			require.Empty(t, first.lines, "the response must not wait for the callback")
			send(first)
			var line printed
			first.read(&line)
			require.Equal(t, 1, line.Attempt)
			first.read(&line)
			require.Equal(t, 2, line.Attempt)
			send(first)
			require.Zero(t, first.stop(), first.log.String())

			second := start(t, env...)
			send(second)
			require.Zero(t, second.stop(), second.log.String())
			require.Empty(t, first.lines, "the callback ran again")
			require.Empty(t, second.lines, "the callback ran again after a restart")
		})
	}
}
