package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// envWork says what this program does in place of the tests, when it is started as a process of its own.
const envWork = "SQLITETEST_WORK"

func TestMain(m *testing.M) {
	if os.Getenv(envWork) != "receive" {
		_ = flag.Set("test.parallel", "24") // what runs in parallel here waits most of the time
		os.Exit(m.Run())
	}
	if err := receive(); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}
