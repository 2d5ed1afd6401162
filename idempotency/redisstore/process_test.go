//go:build unix

package redisstore_test

import (
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
)

// roles are what a process started by a test can run.
var roles = map[string]func() error{
	"racer":    race,
	"worker":   work,
	"receiver": receive,
	"renewer":  func() error { return crashtest.HoldKey(theirStore()) },
	"retaker":  func() error { return crashtest.RetakeKey(theirStore()) },
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
