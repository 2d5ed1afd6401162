//go:build unix

package main

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestStore_RecognizesDuplicatesAcrossProcesses(t *testing.T) {
	t.Parallel()
	postgres := url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{
		"host": {pgtest.New(t).Dir()}, "user": {"postgres"}, "sslmode": {"disable"},
	}.Encode()}
	for name, store := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "a file?.db"),
		"postgres": postgres.String(),
		"redis":    "redis://" + redistest.New(t).Addr() + "/0",
	} {
		t.Run(name, func(t *testing.T) {
			env := []string{"EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "STORE=" + store}
			var d *webhooktest.Delivery
			send := func(p *process) {
				sender := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
				if d == nil {
					d = sender.Sample("red_flag")
				}
				accepted(t, sender, d)
			}
			first := start(t, env...)
			second := start(t, env...)
			send(first)
			send(second)
			require.Zero(t, first.stop(), first.log.String())
			require.Zero(t, second.stop(), second.log.String())
			third := start(t, env...)
			send(third)
			require.Zero(t, third.stop(), third.log.String())

			var line printed
			first.read(&line)
			require.Equal(t, "emberqa", line.Vendor)
			require.Empty(t, second.lines, "the second receiver ran the callback as well")
			require.Empty(t, third.lines, "the receiver ran the callback again after a restart")
		})
	}
}
