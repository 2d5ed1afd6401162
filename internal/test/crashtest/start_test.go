//go:build linux

package crashtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const envParent = "CRASHTEST_PARENT"

// TestMain runs the tests. If envParent is set, it starts a child and waits to be killed instead.
func TestMain(m *testing.M) {
	if os.Getenv(envParent) == "" {
		os.Exit(m.Run())
	}
	child := exec.Command("sleep", "600")
	if err := Start(child); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(child.Process.Pid)
	select {}
}

func TestStart_ChildEndsWithKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), envParent+"=1")
	stdout, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, Start(parent))
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	child, err := strconv.Atoi(lines.Text())
	require.NoError(t, err, lines.Text())
	require.NoError(t, syscall.Kill(child, 0))

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	require.Eventually(t, func() bool { return gone(child) }, time.Minute, 10*time.Millisecond)
}

// gone reports whether a process has exited. A zombie has exited.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	var name string
	var state string
	_, _ = fmt.Sscanf(string(text), "%d %s %s", new(int), &name, &state)
	return err != nil || state == "Z"
}
