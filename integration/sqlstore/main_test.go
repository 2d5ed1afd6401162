// Package sqlstore_test tests sqlstore on real engines: a private PostgreSQL server, and SQLite files.
//
// AIHOOKS_TEST_LONG=1 in the environment runs the crash test in full.
package sqlstore_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

func TestMain(m *testing.M) {
	kit.Main(m, 12, map[string]func() error{ // parallel tests mostly wait
		"claims": claimWorker, "crashes": crashWorker, "migrates": migrateWorker, "receives": receiveWorker,
		"renews": renewWorker, "retakes": retakeWorker,
	}, pgtest.CloseShared)
}

// startWorker starts a process that uses a database.
func startWorker(t testing.TB, role string, e *engine, dsn string, env ...string) *kit.Process {
	t.Helper()
	return kit.StartRole(t, role, append(env, "ENGINE="+e.name, "DSN="+dsn)...)
}

// check exits the worker if err is not nil.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}
