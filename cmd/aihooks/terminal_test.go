// These tests need a Unix terminal and named pipes.

//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// seen runs a command on a terminal. It types a text when the output contains until, and returns the output and the exit code.
func seen(t *testing.T, env map[string]string, args []string, until, typed string) (string, int) {
	t.Helper()
	c := aihooks(t, env, args...)
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 90})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var out bytes.Buffer
	for buffer := make([]byte, 4096); !strings.Contains(out.String(), until); {
		n, err := f.Read(buffer)
		require.NoError(t, err, out.String())
		out.Write(buffer[:n])
	}
	_, err = io.WriteString(f, typed)
	require.NoError(t, err)
	if _, err = io.Copy(&out, f); err != nil {
		require.ErrorIs(t, err, syscall.EIO) // a terminal returns EIO after its last process has exited
	}
	_ = c.Wait() // the caller checks the exit code
	return out.String(), c.ProcessState.ExitCode()
}

func with(env map[string]string, name, value string) map[string]string {
	env[name] = value
	return env
}

func TestTerminal_ShowsColorsAndProgressBar(t *testing.T) {
	s := newService(t, "workflux")
	many := []string{"send", "workflux", "user.message", "--url", s.URL, "--times", "60"}
	out, code := seen(t, secrets(), many, "", "")
	require.Equal(t, 0, code)
	require.Contains(t, out, "/60)", "there must be a progress bar")
	out, _ = seen(t, secrets(), append(many, "--json"), "", "")
	require.NotContains(t, out, "/60)", "JSON output must have no progress bar")
	out, _ = seen(t, secrets(), []string{"send", "workflux", "user.message", "--url", s.URL, "--times", "3"}, "", "")
	require.NotContains(t, out, "/3)", "few responses need no progress bar")
	require.Equal(t, 3, strings.Count(out, "200 OK"))

	for colours, env := range map[bool]map[string]string{
		true: with(secrets(), "TERM", "xterm"), false: with(secrets(), "NO_COLOR", "1"),
	} {
		require.Equal(t, colours, strings.Contains(shownOnATerminal(t, env), "\x1b[32mhandled\x1b[0m"), "%v", env["NO_COLOR"])
	}
	require.NotContains(t, shownOnATerminal(t, with(secrets(), "TERM", "dumb")), "\x1b")
}

// shownOnATerminal returns what listen shows of a delivery on a terminal.
func shownOnATerminal(t *testing.T, env map[string]string) string {
	t.Helper()
	c := aihooks(t, env, "listen", "--addr", "127.0.0.1:0", "--no-body")
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 90})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	read := func(until string) string {
		var all []byte
		buffer := make([]byte, 4096)
		for !strings.Contains(string(all), until) {
			n, err := f.Read(buffer)
			require.NoError(t, err, string(all))
			all = append(all, buffer[:n]...)
		}
		return string(all)
	}
	start := read("press Ctrl-C to stop")
	_, after, ok := strings.Cut(start, "greenflash")
	require.True(t, ok)
	run(t, "send", "greenflash", "conversation.rating", "--url", strings.Fields(after)[0]).is(t, 0)
	text := read("rating.json")
	_, err = f.Write([]byte{3}) // Ctrl-C
	require.NoError(t, err)
	require.NoError(t, c.Wait(), "Ctrl-C must end listen without an error")
	return text
}

func TestInbox_AsksBeforeDiscardOnTerminal(t *testing.T) {
	w := newInboxService(t, 3)
	discard := []string{"inbox", "discard", "--from", w.path, "--all"}
	for _, answer := range []string{"n\n", "\n", "yessir\n", "\x04"} {
		out, code := seen(t, nil, discard, "[y/N] ", answer)
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "Discard 3 dead letters?")
		require.Contains(t, out, "nothing was changed")
		require.Len(t, w.dead(t), 3)
	}
	out, code := seen(t, nil, discard, "[y/N] ", "\x03")
	require.Equal(t, 130, code, out)
	require.Len(t, w.dead(t), 3)
	out, code = seen(t, nil, discard, "[y/N] ", "y\n")
	require.Equal(t, 0, code, out)
	require.Empty(t, w.dead(t))
}

func TestExplain_InterruptsBlockedRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	j := begin(t, aihooks(t, secrets(), "explain", "workflux", "--headers", writeFile(t, "A: b"), "--body", pipe))
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // blocks until the pipe is read
	require.NoError(t, err)
	require.Equal(t, 130, j.stop(os.Interrupt))
	require.NoError(t, writer.Close())
}

func TestListen_RespondsOnAPausedTerminal(t *testing.T) {
	address := freeAddress(t)
	c := aihooks(t, nil, "listen", "--no-save", "--addr", address)
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 90})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	buffer := make([]byte, 64<<10)
	for out := ""; !strings.Contains(out, "unverified") && !strings.Contains(out, "WORKFLUX_WEBHOOK_SECRET"); {
		n, err := f.Read(buffer)
		require.NoError(t, err)
		out += string(buffer[:n])
	}
	_, err = f.Write([]byte{19}) // Ctrl-S
	require.NoError(t, err)
	for range 30 { // more than the buffer of a terminal
		require.Equal(t, 200, post(t, "http://"+address+"/webhooks/workflux", `{"event":"`+strings.Repeat("x", 20_000)+`"}`, nil))
	}
	ended := make(chan struct{})
	go func() { // the process waits 3 s for a reader
		_, _ = io.Copy(io.Discard, f)
		close(ended)
	}()
	_, err = f.Write([]byte{17, 3}) // Ctrl-Q, Ctrl-C
	require.NoError(t, err)
	<-ended
	require.NoError(t, c.Wait())
}
