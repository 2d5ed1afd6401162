package riverinbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/webhook"
)

// aloneArgs are what the inbox stores, in a job that has nothing to do with it: River alone, as somebody would use it who
// takes the same care.
type aloneArgs struct {
	Key      string `json:"key" river:"unique"`
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`
	Type     string `json:"type"`
	ID       string `json:"id"`
	Delivery []byte `json:"delivery"`
	Body     []byte `json:"body"`
}

func (aloneArgs) Kind() string { return "alone" }

const aloneQueue = "alone"

func aloneOpts() *river.InsertOpts {
	return &river.InsertOpts{
		Queue: aloneQueue, MaxAttempts: math.MaxInt16, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()},
	}
}

// A way is one of those that are compared.
type way struct {
	name string
	// insert stores a delivery.
	insert func(ctx context.Context, d *webhook.Delivery) error
	// work has the client work what is stored, and calls back for each.
	work func(b *testing.B, callback func(id string)) (stop func())
}

const benchConcurrency = 64

// ways returns River alone and the inbox, on one client: with the store in memory, and with its own.
func ways(b *testing.B, dsn string) []way {
	b.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(b, err)
	config.MaxConns = 32
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	migrate(b, pool, "")
	box, err := riverinbox.New(pool, &riverinbox.Options{Policy: inbox.Policy{Concurrency: benchConcurrency, Logger: slog.New(slog.DiscardHandler)}})
	require.NoError(b, err)
	require.NoError(b, box.Migrate(b.Context()))
	var alone atomic.Pointer[func(string)]
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, job *river.Job[aloneArgs]) error {
		(*alone.Load())(job.Args.ID)
		return nil
	}))
	rivers := &river.Config{Workers: workers, Logger: slog.New(slog.DiscardHandler), TestOnly: true}
	require.NoError(b, box.Configure(rivers))
	client, err := river.NewClient(riverpgxv5.New(pool), rivers)
	require.NoError(b, err)
	require.NoError(b, box.Use(b.Context(), client))
	require.NoError(b, client.Start(context.Background()))
	s := &site{pool: pool, box: box, client: client, t: b}
	b.Cleanup(s.close)

	inboxWith := func(name string, store func() idempotency.Store) way {
		return way{
			name: name,
			insert: func(ctx context.Context, d *webhook.Delivery) error {
				_, err := box.Enqueue(ctx, d)
				return err
			},
			work: func(b *testing.B, callback func(id string)) (stop func()) {
				hook, err := convosphere.NewHandler(secret, &webhook.Options{Inbox: box, Store: store(), Logger: slog.New(slog.DiscardHandler)})
				require.NoError(b, err)
				hook.OnEach(func(_ context.Context, e webhook.AnyEvent) error {
					callback(e.Delivery().ID)
					return nil
				})
				return run(b, box, hook)
			},
		}
	}
	return []way{
		{
			name: "river alone",
			insert: func(ctx context.Context, d *webhook.Delivery) error {
				head := *d
				head.Body = nil
				text, err := json.Marshal(head)
				if err != nil {
					return err
				}
				_, err = client.Insert(ctx, aloneArgs{d.Keys[0], d.Vendor, d.Endpoint, d.Type, d.ID, text, d.Body}, aloneOpts())
				return err
			},
			work: func(b *testing.B, callback func(id string)) (stop func()) {
				alone.Store(&callback)
				require.NoError(b, client.Queues().Add(aloneQueue, river.QueueConfig{
					MaxWorkers: benchConcurrency, FetchCooldown: riverinbox.DefaultFetchCooldown, FetchPollInterval: riverinbox.DefaultPoll,
				}))
				return func() { require.NoError(b, client.Queues().Remove(context.Background(), aloneQueue)) }
			},
		},
		inboxWith("inbox, store in memory", func() idempotency.Store {
			m, err := idempotency.NewMemory(nil)
			require.NoError(b, err)
			return m
		}),
		inboxWith("inbox", func() idempotency.Store { return nil }),
	}
}

var samples atomic.Int64

// sample is a delivery of 4 KiB, another one each time.
func sample() *webhook.Delivery {
	id := fmt.Sprintf("%d-%d", time.Now().UnixNano(), samples.Add(1))
	body := convospheretest.Samples()[0].Body
	filler := make([]byte, 4096-len(body))
	for i := range filler {
		filler[i] = ' '
	}
	d := parcel(id, slices.Concat(body, filler))
	d.Type = convospheretest.Samples()[0].Type
	return d
}

func BenchmarkEnqueue(b *testing.B) {
	list := ways(b, postgres(b).Database(b))[:2]
	for _, senders := range []int{1, 64} {
		for _, w := range list {
			b.Run(fmt.Sprintf("senders=%d/%s", senders, w.name), func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				var all sync.WaitGroup
				b.ResetTimer()
				for range senders {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if err := w.insert(b.Context(), sample()); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			})
		}
	}
}

// BenchmarkCallbacks measures how fast what is stored is called back for.
func BenchmarkCallbacks(b *testing.B) {
	for _, clients := range []int{1, 3} {
		dsn := postgres(b).Database(b)
		var all [][]way
		for range clients {
			all = append(all, ways(b, dsn))
		}
		for i, w := range all[0] {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, w.name), func(b *testing.B) {
				var fill sync.WaitGroup
				var left atomic.Int64
				left.Store(int64(b.N))
				for range 16 {
					fill.Go(func() {
						for left.Add(-1) >= 0 {
							if err := w.insert(b.Context(), sample()); err != nil {
								b.Error(err)
							}
						}
					})
				}
				fill.Wait()
				done := make(chan struct{})
				var called atomic.Int64
				b.ResetTimer()
				for c := range clients {
					stop := all[c][i].work(b, func(string) {
						if called.Add(1) == int64(b.N) {
							close(done)
						}
					})
					defer stop()
				}
				<-done
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "callbacks/s")
			})
		}
	}
}

// BenchmarkLatency measures how long it takes from Enqueue's return, and from its call, to the callback, one at a time.
func BenchmarkLatency(b *testing.B) {
	for _, w := range ways(b, postgres(b).Database(b)) {
		b.Run(w.name, func(b *testing.B) {
			called := make(chan time.Time, 1)
			stop := w.work(b, func(string) { called <- time.Now() })
			defer stop()
			took := make([]time.Duration, 0, b.N)
			for range b.N {
				began := time.Now()
				require.NoError(b, w.insert(b.Context(), sample()))
				took = append(took, (<-called).Sub(began))
				time.Sleep(30 * time.Millisecond) // longer than River's cooldown
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
