package sqlite_test

import (
	"fmt"
	"os"
	"testing"
)

// envWork says what this program does in place of the tests, when it is started as a process of its own.
const envWork = "SQLITETEST_WORK"

func TestMain(m *testing.M) {
	if os.Getenv(envWork) != "receive" {
		os.Exit(m.Run())
	}
	if err := receive(); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}
