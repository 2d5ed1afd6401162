//go:build !linux

package crashtest

import "os/exec"

func endWithParent(*exec.Cmd) {}
