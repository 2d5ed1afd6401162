package jetstream_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// The example module has no NATS server in its module graph, so this test is here.
func TestReceiver_RunsOnJetStream(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "receiver")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("..", "..", "examples", "receiver")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	var log bytes.Buffer
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "ADDR=127.0.0.1:0", "EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "FAIL_FIRST=1",
		"INBOX=jetstream:"+newServer(t).ClientURL()+"?server_syncs_always=true", "STORE=sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, kit.Start(cmd))
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	read := func(v any) {
		t.Helper()
		require.True(t, lines.Scan())
		require.NoError(t, json.Unmarshal(lines.Bytes(), v))
	}
	var first struct{ Listening string }
	read(&first)
	sender := emberqatest.NewSenderTo(t, "http://"+first.Listening+"/webhooks/emberqa", "a-token-of-enough-length")
	flag := sender.Sample("red_flag")
	kit.Eventually(t, func() bool { return sender.Send(flag).Status == http.StatusOK })
	for attempt := 1; attempt <= 2; attempt++ {
		var line struct{ Attempt int }
		read(&line)
		require.Equal(t, attempt, line.Attempt)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), log.String())
}
