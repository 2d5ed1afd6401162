//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

func TestStartUp_ReportsEngineErrors(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	database := server.Database(t)
	with := func(parameters string) string {
		if strings.Contains(database, "?") {
			return database + "&" + parameters
		}
		return database + "?" + parameters
	}
	nowhere := "postgres://receiver@127.0.0.1:1/receiver"
	for name, c := range map[string]struct{ env, want string }{
		"River, no server":            {"INBOX=river:" + nowhere, "INBOX: "},
		"River, no server, old inbox": {"OLD_INBOX=river:" + nowhere, "OLD_INBOX: "},
		"River, no URL":               {"INBOX=river:postgres://%", "INBOX: "},
		"River, no such database":     {"INBOX=river:" + server.DSN("absent"), "absent"},
		"River, unsafe commits":       {"INBOX=river:" + with("synchronous_commit=off"), "synchronous_commit is off"},
		"River, read-only server":     {"INBOX=river:" + with("default_transaction_read_only=on"), "read-only transaction"},
		"store, no server":            {"STORE=" + nowhere, "STORE: "},
		"SQLite, no folder":           {"INBOX=sqlite:" + filepath.Join(t.TempDir(), "absent", "inbox.db"), "INBOX: "},
		"JetStream, no server":        {"INBOX=jetstream:nats://127.0.0.1:1", "INBOX: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary)
			cmd.Env = append(os.Environ(), "ADDR=127.0.0.1:0", "EMBERQA_TOKEN=a-token-of-enough-length", c.env)
			if strings.Contains(name, "JetStream") {
				cmd.Env = append(cmd.Env, "STORE=memory")
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 1, exit.ExitCode(), string(out))
			require.Contains(t, string(out), c.want)
			require.NotContains(t, string(out), "panic")
		})
	}
}

func TestStartUp_ReplicasShareEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t).Database(t)
	var all sync.WaitGroup
	replicas := make([]*exec.Cmd, 3)
	outputs := make([]strings.Builder, len(replicas))
	for i := range replicas {
		// Each replica fails at its invalid address, after it has created the tables.
		replicas[i] = exec.Command(binary)
		replicas[i].Env = append(os.Environ(), "ADDR=nowhere", "EMBERQA_TOKEN=a-token-of-enough-length",
			"STORE="+database, "INBOX=river:"+database)
		replicas[i].Stdout, replicas[i].Stderr = &outputs[i], &outputs[i]
		require.NoError(t, replicas[i].Start())
		all.Go(func() { _ = replicas[i].Wait() })
	}
	all.Wait()
	for i := range outputs {
		require.Contains(t, outputs[i].String(), "ADDR", "the replica must create the tables, and fail only at its address")
		require.NotContains(t, outputs[i].String(), "INBOX")
	}
}
