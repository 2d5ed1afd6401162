package crashtest

import (
	"os/exec"
	"runtime"
	"sync"
)

// Start starts cmd as its own Start does. On Linux the process also ends when this one does, even if this one is killed:
// a test that runs into its time limit leaves nothing behind.
func Start(cmd *exec.Cmd) error {
	endWithParent(cmd)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// starter returns what runs functions on a thread that lives as long as this process. Linux ends a child when the thread
// that started it ends, and Go ends threads now and then.
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
