package sqliteinbox_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// envWorker names the function that this program runs instead of the tests, in a separate process. envFile is its file.
const (
	envWorker = "SQLITETEST_WORK"
	envFile   = "SQLITETEST_FILE"
)

var workers = map[string]func() error{"receive": receive, "cat": cat, "poison": poisonWorker, "drivers": openWithDrivers}

func TestMain(m *testing.M) {
	work := workers[os.Getenv(envWorker)]
	if work == nil {
		_ = flag.Set("test.parallel", "24") // parallel tests mostly wait
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(envWorker)+":", err)
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
