package command

import (
	"os"
	"syscall"
)

var setConsoleMode = syscall.NewLazyDLL("kernel32.dll").NewProc("SetConsoleMode")

// hasColours enables escape sequences on the console, which are off by default. It returns false if that fails.
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
