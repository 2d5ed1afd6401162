package command

import (
	"os"
	"syscall"
)

var setConsoleMode = syscall.NewLazyDLL("kernel32.dll").NewProc("SetConsoleMode")

// hasColours turns on the console's escape sequences, which are off by default, and reports whether it knows them.
func hasColours(f *os.File) bool {
	const enableVirtualTerminalProcessing = 4
	var mode uint32
	console := syscall.Handle(f.Fd())
	if err := syscall.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	ok, _, _ := setConsoleMode.Call(uintptr(console), uintptr(mode|enableVirtualTerminalProcessing))
	return ok != 0
}
