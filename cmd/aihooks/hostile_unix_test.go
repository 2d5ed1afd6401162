// Windows has no SIGPIPE and no endless files.

//go:build unix

package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReaderThatHasLeftEndsTheListener(t *testing.T) {
	c := aihooks(t, nil, "listen", "--json", "--addr", "127.0.0.1:0", "--no-save")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	c.Stdout = writer
	text, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, url, _ := strings.Cut(line(t, bufio.NewScanner(text), "listening on "), "listening on ")
	require.NoError(t, writer.Close())
	require.NoError(t, reader.Close())                                                       // like head -1
	response, err := http.Post(url+"/workflux", "application/json", strings.NewReader("{}")) //nolint:noctx // a test
	if err == nil {
		require.NoError(t, response.Body.Close())
	}
	_ = c.Wait() // the process state is checked below
	require.Equal(t, syscall.SIGPIPE, c.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

func TestAFileWithoutAnEndIsRefused(t *testing.T) {
	run(t, "explain", "workflux", "--headers", writeFile(t, "A: b"), "--body", "/dev/zero").is(t, 1)
	require.Contains(t, finish(t, aihooks(t, nil, "send", "workflux", "user.message", "--url", down(t), "--secret-file", "/dev/zero")).is(t, 1).err, "larger than")
}
