package jetstream_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// "alone" is JetStream without the inbox: the same stream and consumer, a publish with a message id, and a pull with confirmed
// acknowledgements. It has no metadata, no leases and no store.

const (
	alone    = "ALONE"
	bodySize = 4096
)

func aloneStream(b *testing.B, js jetstream.JetStream) {
	b.Helper()
	ctx := context.Background()
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: alone, Subjects: []string{alone + ".in.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		Duplicates: jetstreaminbox.DefaultWindow,
	})
	require.NoError(b, err)
	_, err = js.CreateOrUpdateConsumer(ctx, alone, jetstream.ConsumerConfig{
		Durable: "workflux_default", FilterSubject: alone + ".in.workflux.default", AckPolicy: jetstream.AckExplicitPolicy,
		MaxDeliver: -1, MaxAckPending: -1,
	})
	require.NoError(b, err)
}

var body = slices.Repeat([]byte("All work and no play makes Jack a dull boy. "), bodySize/44)

func sample() *webhook.Delivery {
	id := idempotency.NewToken().String() + idempotency.NewToken().String()
	return &webhook.Delivery{
		Vendor: "workflux", Endpoint: "default", Type: "conversation.completed", ID: id, Keys: []string{"workflux/default/content/" + id},
		ReceivedAt: time.Now().UTC(), Time: time.Now().UTC(), SignedBy: "default", Body: body,
	}
}

func publishAlone(js jetstream.JetStream) error {
	_, err := js.PublishMsg(context.Background(), &nats.Msg{Subject: alone + ".in.workflux.default", Data: body},
		jetstream.WithMsgID(idempotency.NewToken().String()))
	return err
}

func enqueue(box *jetstreaminbox.Inbox) error {
	_, err := box.Enqueue(context.Background(), sample())
	return err
}

// BenchmarkEnqueue measures durable acknowledgements per second, for deliveries of 4 KiB, with the server in a separate
// process.
func BenchmarkEnqueue(b *testing.B) {
	url := newServerProcess(b).url()
	js := dial(b, url)
	awaitServer(b, js)
	aloneStream(b, js)
	box := open(b, js, jetstreaminbox.Options{})
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			benchpair.Measure(b, "per_s", [2]string{"ours", "alone"}, func() float64 {
				return benchpair.PerSecond(b, senders, func() error { return enqueue(box) })
			}, func() float64 {
				return benchpair.PerSecond(b, senders, func() error { return publishAlone(js) })
			})
		})
	}
}

func awaitServer(b *testing.B, js jetstream.JetStream) {
	b.Helper()
	kit.Eventually(b, func() bool {
		_, err := js.AccountInfo(context.Background())
		return err == nil
	})
}

// BenchmarkLatency measures the time from before the publish to the start of the callback, in microseconds.
func BenchmarkLatency(b *testing.B) {
	js := dial(b, newServerProcess(b).url())
	awaitServer(b, js)
	aloneStream(b, js)
	box := open(b, js, jetstreaminbox.Options{})
	ours, theirs := make(chan time.Time, 1), make(chan time.Time, 1)
	inboxkit.Run(b, box, inboxkit.Fake{VendorName: "workflux", Callback: inboxkit.Calls(func() { ours <- time.Now() })})
	c, err := js.Consumer(context.Background(), alone, "workflux_default")
	require.NoError(b, err)
	consuming, err := c.Consume(func(m jetstream.Msg) {
		theirs <- time.Now()
		_ = m.DoubleAck(context.Background())
	})
	require.NoError(b, err)
	defer consuming.Stop()
	benchpair.Measure(b, "us", [2]string{"ours", "alone"}, func() float64 {
		return microseconds(b, ours, func() error { return enqueue(box) })
	}, func() float64 {
		return microseconds(b, theirs, func() error { return publishAlone(js) })
	})
}

func microseconds(b *testing.B, began <-chan time.Time, f func() error) float64 {
	b.Helper()
	var all []float64
	for start := time.Now(); time.Since(start) < benchpair.Slice; {
		before := time.Now()
		if err := f(); err != nil {
			b.Error(err)
			return 0
		}
		all = append(all, float64((<-began).Sub(before).Microseconds()))
	}
	return benchpair.Median(all)
}

const envKind = "JETSTREAMTEST_KIND"

// benchWorker is the main function of a process that runs the stored deliveries. It prints "ready", and then the number
// of callbacks for each line on standard input.
func benchWorker() error {
	nc, err := nats.Connect(os.Getenv(envURL))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	var calls atomic.Int64
	stop := make(chan struct{})
	ended := make(chan error, 1)
	if os.Getenv(envKind) == alone {
		go func() { ended <- workAlone(js, stop, func() { calls.Add(1) }) }()
	} else {
		store, err := idempotency.NewMemory(nil)
		if err != nil {
			return err
		}
		box, err := jetstreaminbox.New(context.Background(), js, &jetstreaminbox.Options{Store: store, ServerSyncsAlways: true})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			ended <- box.Run(ctx, inboxkit.Fake{VendorName: "workflux", Callback: inboxkit.Calls(func() { calls.Add(1) })})
		}()
		go func() { <-stop; cancel() }()
	}
	benchpair.PrintCalls(&calls)
	close(stop)
	return <-ended
}

// workAlone pulls and acknowledges, with as many goroutines as an inbox has callbacks.
func workAlone(js jetstream.JetStream, stop <-chan struct{}, called func()) error {
	c, err := js.Consumer(context.Background(), alone, "workflux_default")
	if err != nil {
		return err
	}
	slots := make(chan struct{}, inbox.DefaultConcurrency)
	consuming, err := c.Consume(func(m jetstream.Msg) {
		slots <- struct{}{}
		go func() {
			called()
			_ = m.DoubleAck(context.Background())
			<-slots
		}()
	}, jetstream.PullMaxMessages(inbox.DefaultConcurrency))
	if err != nil {
		return err
	}
	<-stop
	consuming.Stop()
	return nil
}

// BenchmarkCallbacks measures callbacks per second. They do nothing, and run on stored deliveries.
func BenchmarkCallbacks(b *testing.B) {
	const deliveries = 4000
	for _, processes := range []int{1, 3} {
		b.Run(fmt.Sprintf("processes=%d", processes), func(b *testing.B) {
			url := newServerProcess(b).url()
			js := dial(b, url)
			awaitServer(b, js)
			aloneStream(b, js)
			box := open(b, js, jetstreaminbox.Options{})
			measure := func(kind string, store func() error) float64 {
				return benchpair.Callbacks(b, deliveries, 64, processes, store, func() *kit.Process {
					return kit.StartRole(b, "bench", envURL+"="+url, envKind+"="+kind)
				})
			}
			benchpair.Measure(b, "per_s", [2]string{"ours", "alone"}, func() float64 {
				return measure("", func() error { return enqueue(box) })
			}, func() float64 {
				return measure(alone, func() error { return publishAlone(js) })
			})
		})
	}
}
