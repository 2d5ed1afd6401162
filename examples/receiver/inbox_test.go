package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/pgtest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestWithAnInboxADeliveryIsAnsweredAtOnceAndRunAgainWhenItFails(t *testing.T) {
	server := pgtest.New(t)
	for name, test := range map[string]struct{ inbox, store string }{
		"SQLite, with its own store":      {"sqlite:" + filepath.Join(t.TempDir(), "inbox.db"), ""},
		"SQLite, with a store elsewhere":  {"sqlite:" + filepath.Join(t.TempDir(), "inbox.db"), server.Database(t)},
		"River, with the store beside it": {"river:" + server.Database(t), ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := []string{
				"EMBERQA_TOKEN=a-token-of-enough-length", "FAIL_FIRST=1", "HANDLER_DELAY=2s",
				"INBOX=" + test.inbox, "STORE=" + test.store,
			}
			send := func(p *process) {
				sender := webhooktest.Signer{Profile: emberqa.Profile(), URL: p.origin + "/webhooks/emberqa/a-token-of-enough-length"}
				r, err := sender.Request(emberqatest.Samples()[0].Body, time.Now(), "")
				began := time.Now()
				require.Equal(t, 200, post(t, r, err))
				require.Less(t, time.Since(began), 2*time.Second, "the answer does not wait for the callback")
			}
			first := start(t, env...)
			send(first)
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
			require.Empty(t, first.lines, "called back again")
			require.Empty(t, second.lines, "called back again after a restart")
		})
	}
}
