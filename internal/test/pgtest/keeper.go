//go:build unix

package pgtest

import (
	"io"
	"os/exec"
	"syscall"
)

// A keeper is a process that ends the server and removes its files when this process ends. That includes a panic, a test
// timeout and a kill. It waits until its standard input is closed. Only this process has the other end of it.
type keeper struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

const keeperScript = `
trap '' INT TERM HUP
cat > /dev/null
pid=$(head -n 1 data/postmaster.pid 2> /dev/null)
if [ -n "$pid" ]; then
	kill -QUIT $pid
	kill -CONT $pid $(cat /proc/$pid/task/$pid/children) # if it is paused
	n=0
	while kill -0 $pid && [ $n -lt 600 ]; do
		sleep 0.1
		n=$((n+1))
	done
fi 2> /dev/null
cd / && rm -rf "$0"
`

func keep(dir string, user *syscall.Credential) (*keeper, error) {
	cmd := exec.Command("/bin/sh", "-c", keeperScript, dir) //nolint:gosec,noctx // our own script, which runs longer than this process
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &keeper{cmd: cmd, stdin: stdin}, cmd.Start()
}

// dismiss ends the keeper after the server has ended and its files are removed.
func (k *keeper) dismiss() error {
	_ = k.stdin.Close()
	return k.cmd.Wait()
}
