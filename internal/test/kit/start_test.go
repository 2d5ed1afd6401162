//go:build linux

package kit

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m, 0, map[string]func() error{"parent": parent}) }

// parent starts a child, and waits to be killed.
func parent() error {
	child := exec.Command("sleep", "600")
	if err := Start(child); err != nil {
		return err
	}
	fmt.Println(child.Process.Pid)
	select {}
}

func TestStart_ChildEndsWithKilledParent(t *testing.T) {
	p := StartRole(t, "parent")
	child, err := strconv.Atoi(p.Line(t))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child, 0))

	require.NoError(t, p.Process.Kill())
	_ = p.Wait()
	Eventually(t, func() bool { return gone(child) })
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
