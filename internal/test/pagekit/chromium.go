package pagekit

import (
	"fmt"
	"os"
	"os/exec"
)

// debianShell is what Debian's command runs. The command is a script. Killing it would leave this program running.
const debianShell = "/usr/lib/chromium/chromium-headless-shell"

// Chromium returns the path of Chromium's headless shell, which takes half the processor time, or else of Chromium.
func Chromium() (path string, err error) {
	if _, err := os.Stat(debianShell); err == nil {
		return debianShell, nil
	}
	if path, err = exec.LookPath("chromium-headless-shell"); err == nil {
		return path, nil
	}
	if path, err = exec.LookPath("chromium"); err != nil {
		return "", fmt.Errorf("pagekit: %w; .ci/services installs it", err)
	}
	return path, nil
}
