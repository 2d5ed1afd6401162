package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

var generateConsoleCtrlEvent = syscall.NewLazyDLL("kernel32.dll").NewProc("GenerateConsoleCtrlEvent")

// prepareForSignals starts the process in a new group. Windows sends console events to groups, and the test must not get them.
func prepareForSignals(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// sendSignal sends Ctrl-Break for every signal, because a group does not get Ctrl-C. Go programs get it as [os.Interrupt].
func sendSignal(c *exec.Cmd, _ os.Signal) error {
	ok, _, err := generateConsoleCtrlEvent.Call(syscall.CTRL_BREAK_EVENT, uintptr(c.Process.Pid))
	if ok == 0 {
		return err
	}
	return nil
}

// requirePrivate checks nothing, because files have the permissions of their folder.
func requirePrivate(*testing.T, string) {}
