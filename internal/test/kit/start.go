package kit

import (
	"os/exec"
	"runtime"
	"sync"
)

// Start starts cmd. On Linux, the process is killed when this process exits, even if this one is killed. A test that
// times out leaves no process behind.
func Start(cmd *exec.Cmd) error {
	endWithParent(cmd)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// starter returns a channel of functions to run on a thread that exists until this process exits. Linux ends a child
// when the thread that started it ends, and Go ends idle threads.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})
