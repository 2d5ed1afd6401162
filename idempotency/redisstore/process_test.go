//go:build unix

package redisstore_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// roles are the functions that a process started by a test can run, by REDISSTORE_ROLE.
var roles = map[string]func(){
	"racer":    race,
	"worker":   work,
	"receiver": receive,
	"renewer":  renew,
	"retaker":  retake,
}

// A process is this test binary, started in a role.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	stderr bytes.Buffer
}

func start(t *testing.T, role string, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), append(env, "REDISSTORE_ROLE="+role)...)
	p.Stderr = &p.stderr
	var err error
	p.stdin, err = p.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.stdout = bufio.NewScanner(stdout)
	require.NoError(t, kit.Start(p.Cmd))
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

// line returns the next line that the process prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	require.True(t, p.stdout.Scan(), "it ended: %s", &p.stderr)
	return p.stdout.Text()
}

// theirStore is the store of a process that a test started.
func theirStore() *redisstore.Store {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("ADDR"), ContextTimeoutEnabled: true})
	s, err := redisstore.New(client, &redisstore.Options{Namespace: os.Getenv("NAMESPACE")})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// A sharedLog is a file to which several processes append lines.
type sharedLog struct{ file *os.File }

func openDiary(path string) sharedLog {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	return sharedLog{f}
}

func (d sharedLog) write(words ...any) {
	if _, err := fmt.Fprintln(d.file, words...); err != nil { // one write, so that lines are not mixed
		log.Fatal(err)
	}
}

// readSharedLog returns the words of each line.
func readSharedLog(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}
