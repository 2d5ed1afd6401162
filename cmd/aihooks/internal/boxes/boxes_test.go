package boxes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
)

func TestOpen_PrintsNoPassword(t *testing.T) {
	for _, address := range []string{
		"mysql://user:hunter2@host/db",
		"River:postgres://user:hunter2@host/db",
		"river://user:hunter2@host/db",
		"river:postgres://user:hunter2@host:port/db",
		"river:postgres://user:hunter2@127.0.0.1:1/db",
		"river:host=127.0.0.1 port=1 password=hunter2 user=u",
		"nats:nats://user:hunter2@host",
		"jetstream:nats://user:hunter2@host:port",
		"jetstream:nats://user:hunter2@127.0.0.1:1",
		"jetstream:nats://127.0.0.1:1,user:hunter2@127.0.0.1:2",
		"jetstream:nats://user:hunter2@127.0.0.1:1?name=a/b",
	} {
		_, err := boxes.Open(t.Context(), address, boxes.Look)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "hunter2", address)
	}
}
