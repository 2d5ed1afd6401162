package jetstream_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// envWork names the environment variable that makes this program a worker process instead of running the tests.
const envWork = "JETSTREAMTEST_WORK"

func full() bool { return os.Getenv("AIHOOKS_TEST_LONG") != "" }

func TestMain(m *testing.M) {
	work := map[string]func() error{"receive": receive, "serve": serve, "bench": benchWorker, "crash": runCrashWorker}[os.Getenv(envWork)]
	if work == nil {
		flag.Parse()
		if flag.Lookup("test.parallel").Value.String() == flag.Lookup("test.parallel").DefValue {
			_ = flag.Set("test.parallel", "6") // the cases of inboxtest mostly wait
		}
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(envWork)+":", err)
		os.Exit(1)
	}
}
