package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// envWork says what this program does in place of the tests, when it is started as a process of its own, and envFile with
// which file.
const (
	envWork = "SQLITETEST_WORK"
	envFile = "SQLITETEST_FILE"
)

var works = map[string]func() error{"receive": receive, "cat": cat, "doom": doom, "drivers": openWithDrivers}

func TestMain(m *testing.M) {
	work := works[os.Getenv(envWork)]
	if work == nil {
		_ = flag.Set("test.parallel", "24") // what runs in parallel here waits most of the time
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(envWork)+":", err)
		os.Exit(1)
	}
}

func cat() error {
	content, err := os.ReadFile(os.Getenv(envFile))
	if err == nil {
		_, err = os.Stdout.Write(content)
	}
	return err
}
