//go:build !windows

package command

import "os"

func hasColours(*os.File) bool { return true }
