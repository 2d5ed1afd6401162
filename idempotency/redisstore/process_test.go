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
	"github.com/aihooks/aihooks-go/internal/crashtest"
)

// roles are what a process of a test's own does, by its REDISSTORE_ROLE.
var roles = map[string]func(){
	"racer":    race,
	"worker":   work,
	"receiver": receive,
}

// A process is this test binary in a role.
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
	require.NoError(t, crashtest.Start(p.Cmd))
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

// line is the next line that the process prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	require.True(t, p.stdout.Scan(), "it ended: %s", &p.stderr)
	return p.stdout.Text()
}

// theirStore is the store of a process that is not the test's own.
func theirStore() *redisstore.Store {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("ADDR"), ContextTimeoutEnabled: true})
	s, err := redisstore.New(client, redisstore.Options{Namespace: os.Getenv("NAMESPACE")})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// diary is a file that several processes append lines to.
type diary struct{ file *os.File }

func openDiary(path string) diary {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	return diary{f}
}

func (d diary) write(words ...any) {
	if _, err := fmt.Fprintln(d.file, words...); err != nil { // one write, so that lines stay whole
		log.Fatal(err)
	}
}

// readDiary returns the words of each line.
func readDiary(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}
