//go:build unix

package redisstore_test

import (
	"testing"

	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestRenewal_KeepsKeyFromOtherProcess(t *testing.T) {
	t.Parallel() // it mostly waits
	env := []string{"ADDR=" + shared.Addr(), "NAMESPACE=" + namespace(t)}
	in := func(role string) func(...string) *kit.Process {
		return func(more ...string) *kit.Process { return kit.StartRole(t, role, append(more, env...)...) }
	}
	crashtest.RequireRenewal(t, in("renewer"), in("retaker"))
}
