package jetstream_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/webhook"
)

// A server acknowledges a message up to two minutes before it is on disk, unless sync_interval is always.
func TestNew_RefusesSingleServerWithoutSyncAlways(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	_, err := jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Store: memory(t)})
	require.ErrorContains(t, err, "Options.ServerSyncsAlways")
	_, err = jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Store: memory(t), Replicas: 1})
	require.ErrorContains(t, err, "acknowledges up to two minutes before messages are on disk")
	require.ErrorContains(t, err, "Options.ServerSyncsAlways")
	_, err = jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Store: memory(t), ServerSyncsAlways: true})
	require.NoError(t, err)
}

// A stream may acknowledge before a message is on disk, or may delete waiting messages.
func TestNew_RefusesUnsafeStream(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	safe := jetstream.StreamConfig{
		Subjects: []string{"%.in.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		Storage: jetstream.FileStorage,
	}
	for name, bad := range map[string]struct {
		change func(c *jetstream.StreamConfig)
		says   string
	}{
		"AsyncPersistence":     {func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "persist_mode is async"},
		"MemoryStorage":        {func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "must be on disk"},
		"NoAcknowledgement":    {func(c *jetstream.StreamConfig) { c.NoAck = true }, "no_ack is set"},
		"DiscardOld":           {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "discard policy"},
		"MaxAge":               {func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "max_age is 1h"},
		"MaxMessagesOfSubject": {func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "max_msgs_per_subject is 1"},
		"LimitsRetention":      {func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy }, "retention"},
		"OtherSubjects":        {func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.>"} }, "must include"},
	} {
		t.Run(name, func(t *testing.T) {
			c := safe
			c.Name, c.Subjects = name, []string{name + ".in.>"}
			bad.change(&c)
			_, err := js.CreateStream(t.Context(), c)
			require.NoError(t, err)
			_, err = jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Name: name, Store: memory(t), ServerSyncsAlways: true})
			require.ErrorContains(t, err, "stream "+name+" is refused")
			require.ErrorContains(t, err, bad.says)
			// The stream is not deleted. A server removes the account's folder a moment after its last stream is deleted. A stream
			// that is created in that moment fails with "error creating store for stream".
		})
	}
}

func TestNew_RefusesStreamThatDeniesDelete(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	for name, change := range map[string]func(c *jetstream.StreamConfig){
		"DenyDelete": func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"DenyPurge":  func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"Sealed":     func(c *jetstream.StreamConfig) { c.Sealed = true },
	} {
		o := jetstreaminbox.Options{Name: name, Store: memory(t)}
		open(t, js, o)
		s, err := js.Stream(t.Context(), name+"_DEADLETTERS")
		require.NoError(t, err)
		c := s.CachedInfo().Config
		change(&c)
		_, err = js.UpdateStream(t.Context(), c)
		require.NoError(t, err)
		o.ServerSyncsAlways = true
		_, err = jetstreaminbox.New(t.Context(), js, &o)
		require.ErrorContains(t, err, "stream "+name+"_DEADLETTERS is refused: messages in it cannot be deleted")
	}
}

// With allow_direct, any replica responds, even one with outdated messages.
func TestNew_RefusesStreamWithAllowDirect(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	for _, suffix := range []string{"_DEFERRED", "_DEADLETTERS"} {
		o := jetstreaminbox.Options{Name: "DIRECT" + suffix, Store: memory(t)}
		open(t, js, o)
		s, err := js.Stream(t.Context(), o.Name+suffix)
		require.NoError(t, err)
		c := s.CachedInfo().Config
		c.AllowDirect = true
		_, err = js.UpdateStream(t.Context(), c)
		require.NoError(t, err)
		o.ServerSyncsAlways = true
		_, err = jetstreaminbox.New(t.Context(), js, &o)
		require.ErrorContains(t, err, "allow_direct is set")
	}
}

func TestCheckHandler_RefusesStreamMadeUnsafe(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	c := s.CachedInfo().Config
	c.Discard, c.MaxMsgs = jetstream.DiscardOld, 10
	_, err = js.UpdateStream(t.Context(), c)
	require.NoError(t, err)
	_, err = inboxkit.NewWorkFlux(webhook.Options{Inbox: box})
	require.ErrorContains(t, err, "Options.Inbox cannot take the deliveries of workflux")
	require.ErrorContains(t, err, "discard policy")
}

// The default of max_payload is 1 MiB.
func TestCheckHandler_RefusesSmallMaxPayload(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxPayload = 1 << 20
	box := open(t, dial(t, startServer(t, o).ClientURL()), jetstreaminbox.Options{})
	_, err := inboxkit.NewWorkFlux(webhook.Options{Inbox: box})
	require.ErrorContains(t, err, "the server's max_payload is 1048576 bytes")
	require.ErrorContains(t, err, "raise max_payload, or lower MaxBody")
	_, err = inboxkit.NewWorkFlux(webhook.Options{Inbox: box, MaxBody: 512 << 10})
	require.NoError(t, err)
	d := newDelivery("long")
	d.Body = inboxkit.MessageBody("long", 1<<20)
	_, err = box.Enqueue(t.Context(), d)
	require.ErrorIs(t, err, nats.ErrMaxPayload)
	require.ErrorContains(t, err, "max_payload")
}

func TestCheckHandler_RefusesSmallMaxMsgSize(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	c := s.CachedInfo().Config
	c.MaxMsgSize = 1 << 20
	_, err = js.UpdateStream(t.Context(), c)
	require.NoError(t, err)
	_, err = inboxkit.NewWorkFlux(webhook.Options{Inbox: box})
	require.ErrorContains(t, err, "max_msg_size")
}

func TestNew_NamesInvalidOption(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	for text, o := range map[string]jetstreaminbox.Options{
		"Options.Store is required":                     {},
		`Options.Name ("a.b")`:                          {Name: "a.b", Store: memory(t)},
		"Options.Lease (1ms) must be at least":          {Lease: time.Millisecond, Store: memory(t)},
		"Options.Window (-1) must not be negative":      {Window: -1, Store: memory(t)},
		"Options.MaxMessages (-1) must not be negative": {MaxMessages: -1, Store: memory(t)},
		"Policy.MaxAttempts (-1) must not be negative":  {Store: memory(t), Policy: policy(-1)},
	} {
		_, err := jetstreaminbox.New(t.Context(), js, &o)
		require.ErrorContains(t, err, text)
	}
	_, err := jetstreaminbox.New(t.Context(), nil, nil)
	require.ErrorContains(t, err, "needs a JetStream client")
}
