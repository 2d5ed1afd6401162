package sqliteinbox_test

import (
	"os"
	"testing"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// envFile has the path for a process of a test.
const envFile = "SQLITETEST_FILE"

var roles = map[string]func() error{"receive": receive, "cat": cat, "poison": poisonWorker, "drivers": openWithDrivers}

func TestMain(m *testing.M) { kit.Main(m, 10, roles) } // parallel tests mostly wait

func cat() error {
	content, err := os.ReadFile(os.Getenv(envFile))
	if err == nil {
		_, err = os.Stdout.Write(content)
	}
	return err
}
