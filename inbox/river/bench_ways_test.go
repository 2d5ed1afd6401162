//go:build unix

package riverinbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/webhook"
)

// aloneArgs are the inbox's arguments in a job without the inbox: River alone, with the same guarantees.
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

const benchConcurrency = 64

// A bench is one client, for River alone and for the inbox.
type bench struct {
	pool   *pgxpool.Pool
	box    *riverinbox.Inbox
	client *riverinbox.Client
	alone  atomic.Pointer[func(id string)]
}

// openBench opens a bench on existing tables. Its client is not started.
func openBench(dsn string) (*bench, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 32
	b := new(bench)
	if b.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, err
	}
	b.box, err = riverinbox.New(b.pool, &riverinbox.Options{Policy: inbox.Policy{Concurrency: benchConcurrency, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, job *river.Job[aloneArgs]) error {
		(*b.alone.Load())(job.Args.ID)
		return nil
	}))
	rivers := &river.Config{Workers: workers, Logger: slog.New(slog.DiscardHandler), TestOnly: true}
	if err := b.box.Configure(rivers); err != nil {
		return nil, err
	}
	if b.client, err = river.NewClient(riverpgxv5.New(b.pool), rivers); err != nil {
		return nil, err
	}
	return b, b.box.Use(context.Background(), b.client)
}

func (b *bench) close() error {
	err := b.client.Stop(context.Background())
	err = errors.Join(err, b.box.Close())
	b.pool.Close()
	return err
}

// A way is one of the compared implementations.
type way struct {
	name string
	// insert stores a delivery.
	insert func(b *bench, d *webhook.Delivery) error
	// work makes the started client work the stored jobs, and calls callback for each.
	work func(b *bench, callback func(id string)) (stop func() error, err error)
}

var (
	aloneWay  = way{"alone", (*bench).insertAlone, (*bench).workAlone}
	memoryWay = way{"memory", (*bench).enqueue, func(b *bench, callback func(id string)) (func() error, error) {
		store, err := idempotency.NewMemory(nil)
		if err != nil {
			return nil, err
		}
		return b.run(store, callback)
	}}
	ownWay = way{"own", (*bench).enqueue, func(b *bench, callback func(id string)) (func() error, error) {
		return b.run(nil, callback)
	}}
	allWays = []way{aloneWay, memoryWay, ownWay} // the inbox with the store in memory, and with its own
)

func (b *bench) insertAlone(d *webhook.Delivery) error {
	head := *d
	head.Body = nil
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	_, err = b.client.Insert(context.Background(), aloneArgs{d.Keys[0], d.Vendor, d.Endpoint, d.Type, d.ID, text, d.Body}, aloneOpts())
	return err
}

func (b *bench) workAlone(callback func(id string)) (stop func() error, err error) {
	b.alone.Store(&callback)
	err = b.client.Queues().Add(aloneQueue, river.QueueConfig{
		MaxWorkers: benchConcurrency, FetchCooldown: riverinbox.DefaultFetchCooldown, FetchPollInterval: riverinbox.DefaultPoll,
	})
	return func() error { return b.client.Queues().Remove(context.Background(), aloneQueue) }, err
}

func (b *bench) enqueue(d *webhook.Delivery) error {
	_, err := b.box.Enqueue(context.Background(), d)
	return err
}

func (b *bench) run(store idempotency.Store, callback func(id string)) (stop func() error, err error) {
	hook, err := convosphere.NewHandler(secret, &webhook.Options{Inbox: b.box, Store: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	hook.OnEvent(func(_ context.Context, e webhook.AnyEvent) error {
		callback(e.Delivery().ID)
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error, 1)
	go func() { returned <- b.box.Run(ctx, hook) }()
	return func() error {
		cancel()
		return <-returned
	}, nil
}
