package kit

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// envRole names the role in which this binary runs instead of the tests.
const envRole = "AIHOOKS_TEST_ROLE"

// InRole reports whether this process runs a role instead of the tests.
func InRole() bool { return os.Getenv(envRole) != "" }

// Main is the TestMain of a package whose tests start this binary in other processes. It runs the role of this process, or the
// tests and then end. The flag -parallel defaults to parallel, unless it is zero. Tests that mostly wait may be more than the
// processors.
func Main(m *testing.M, parallel int, roles map[string]func() error, end ...func() error) {
	if role := os.Getenv(envRole); role != "" {
		run := roles[role]
		if run == nil {
			run = func() error { return errors.New("there is no such role") }
		}
		if err := run(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		return
	}
	if parallel > 0 {
		_ = flag.Set("test.parallel", strconv.Itoa(parallel))
	}
	code := m.Run()
	for _, f := range end {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Role returns the command that runs this binary in a role, with variables like "FILE=/tmp/x" in its environment.
func Role(role string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0]) //nolint:gosec,noctx // this binary, which ends with its parent
	cmd.Env = append(append(os.Environ(), env...), envRole+"="+role)
	return cmd
}

// A Process is a process that a test has started.
type Process struct {
	*exec.Cmd
	Stdin  io.WriteCloser
	Stdout *bufio.Scanner // by lines
}

// StartRole starts this binary in a role. The process is killed when the test ends.
func StartRole(t testing.TB, role string, env ...string) *Process {
	t.Helper()
	p := &Process{Cmd: Role(role, env...)}
	p.Stderr = os.Stderr
	var err error
	p.Stdin, err = p.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.Stdout = bufio.NewScanner(stdout)
	require.NoError(t, Start(p.Cmd))
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

// Line returns the next line that the process prints.
func (p *Process) Line(t testing.TB) string {
	t.Helper()
	require.True(t, p.Stdout.Scan(), "the output of the process ended")
	return p.Stdout.Text()
}

// End closes the standard input of the process, and requires that it then exits successfully.
func (p *Process) End(t testing.TB) {
	t.Helper()
	require.NoError(t, p.Stdin.Close())
	for p.Stdout.Scan() {
	}
	require.NoError(t, p.Wait())
}
