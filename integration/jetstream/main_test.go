package jetstream_test

import (
	"testing"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestMain(m *testing.M) {
	kit.Main(m, 6, map[string]func() error{"receive": receive, "serve": serve, "bench": benchWorker, "crash": runCrashWorker}) // the cases of inboxtest mostly wait
}
