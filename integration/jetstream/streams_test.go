package jetstream_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestNew_CreatesStreamsByOptions(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	config := func(name string) jetstream.StreamConfig {
		s, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		return s.CachedInfo().Config
	}
	open(t, js, jetstreaminbox.Options{})
	require.Equal(t, 2*time.Hour, config("AIHOOKS").Duplicates, "the default covers the retries of all vendors")
	require.EqualValues(t, -1, config("AIHOOKS").MaxMsgs)
	require.EqualValues(t, -1, config("AIHOOKS").MaxBytes)
	require.Zero(t, config("AIHOOKS_DEADLETTERS").MaxAge, "dead letters stay until they are retried or discarded")

	open(t, js, jetstreaminbox.Options{
		Name: "OTHER", Window: time.Hour, MaxMessages: 1000, MaxBytes: 1 << 20, DeadLetterRetention: 30 * 24 * time.Hour,
	})
	require.Equal(t, time.Hour, config("OTHER").Duplicates)
	require.EqualValues(t, 1000, config("OTHER").MaxMsgs)
	require.EqualValues(t, 1<<20, config("OTHER").MaxBytes)
	require.Equal(t, 30*24*time.Hour, config("OTHER_DEADLETTERS").MaxAge)
	for _, name := range []string{"OTHER", "OTHER_DEFERRED"} {
		require.Zero(t, config(name).MaxAge, "waiting deliveries must not expire")
	}
}

func TestEnqueue_ReportsInboxFullOnFullServer(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.JetStreamMaxStore = 1 << 20
	box := open(t, dial(t, startServer(t, o).ClientURL()), jetstreaminbox.Options{})
	var err error
	for n := 0; err == nil && n < 10; n++ {
		d := newDelivery(fmt.Sprint(n))
		d.Body = inboxkit.MessageBody(d.ID, 512<<10)
		_, err = box.Enqueue(t.Context(), d)
	}
	require.ErrorIs(t, err, webhook.ErrInboxFull)
}

func TestEndpoints_AreDistinguishedByAnyName(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	log := new(logtest.LogBuffer)
	box := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{Logger: log.Text()}})
	d := newTestHandler(t, box, succeed)
	for _, endpoint := range []string{"default.1", "*", "> aé", "=2A", ""} {
		p := newDelivery("a")
		p.Endpoint, p.Keys = endpoint, []string{endpoint}
		_, err := box.Enqueue(t.Context(), p)
		require.NoError(t, err)
	}
	inboxkit.Run(t, box, d)
	for _, text := range []string{"endpoint=default.1 ", "endpoint=* ", `endpoint="> aé" `, `endpoint="=2A" `, `endpoint="" `} {
		kit.Eventually(t, func() bool { return strings.Contains(log.String()+" ", text) }, text)
	}
	require.Zero(t, d.Calls.Total())
}

// The user's JetStream may be at a hub, behind a leaf node that has another JetStream.
func TestNew_HonorsDomainAndPrefix(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.JetStreamDomain = "hub"
	address := kit.FreeAddress(t)
	o.LeafNode.Host, o.LeafNode.Port = listensAt(t, address)
	hub := startServer(t, o)
	o = options(t.TempDir())
	o.JetStreamDomain = "leaf"
	o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats-leaf", Host: address}}}}
	leaf := startServer(t, o)
	kit.Eventually(t, func() bool { return hub.NumLeafNodes() == 1 && leaf.NumLeafNodes() == 1 })
	timeout := jetstream.WithDefaultTimeout(requestTimeout)
	for name, client := range map[string]func(nc *nats.Conn) (jetstream.JetStream, error){
		"DOMAIN": func(nc *nats.Conn) (jetstream.JetStream, error) { return jetstream.NewWithDomain(nc, "hub", timeout) },
		"PREFIX": func(nc *nats.Conn) (jetstream.JetStream, error) {
			return jetstream.NewWithAPIPrefix(nc, "$JS.hub.API", timeout)
		},
	} {
		js, err := client(dial(t, leaf.ClientURL()).Conn())
		require.NoError(t, err)
		box := open(t, js, jetstreaminbox.Options{Name: name})
		d := newTestHandler(t, box, succeed)
		inboxkit.Run(t, box, d)
		d.MustRespond(t, 200, inboxkit.MessageBody(name, 1))
		kit.Eventually(t, func() bool { return d.Calls.Of(name) == 1 }, name)
	}
}
