package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const secret = "enginetest-secret-0123456789"

// receiver returns a handler as a user has it. It calls callback with the id of each event.
func receiver(store idempotency.Store, callback func(id string)) (http.Handler, error) {
	hook, err := convosphere.NewHandler(secret, &webhook.Options{
		Store: store, CallbackTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	hook.OnEvent(func(_ context.Context, event webhook.AnyEvent) error {
		callback(event.Delivery().ID)
		return nil
	})
	return hook, nil
}

// send sends the delivery with that id, and returns the status. It repeats it if a busy machine responds after the vendor's
// timeout.
func send(t testing.TB, url, id string) int {
	sender := convospheretest.NewSenderTo(t, url, secret)
	delivery := sender.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})
	result := sender.Send(delivery)
	for began := time.Now(); errors.Is(result.Err, context.DeadlineExceeded) && time.Since(began) < kit.Patience; {
		result = sender.Send(delivery)
	}
	require.NoError(t, result.Err)
	return result.Status
}

// receiveWorker receives deliveries in another process, and prints the id of each delivery that it runs.
func receiveWorker() error {
	_, store := workersStore()
	hook, err := receiver(store, func(id string) {
		time.Sleep(10 * time.Millisecond)
		fmt.Println(id)
	})
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("http://" + listener.Addr().String())
	return http.Serve(listener, hook)
}

func TestReceiver_CallsBackOnceAcrossTwoProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		e.store(t, e.open(t, dsn), 0)
		var mu sync.Mutex
		callbacks := make(map[string]int)
		var urls []string
		var workers []*kit.Process
		var reading sync.WaitGroup
		for range 2 {
			w := startWorker(t, "receives", e, dsn)
			workers, urls = append(workers, w), append(urls, w.Line(t))
			reading.Go(func() {
				for w.Stdout.Scan() {
					mu.Lock()
					callbacks[w.Stdout.Text()]++
					mu.Unlock()
				}
			})
		}
		const deliveries = 60
		statuses := make(map[int]int)
		for i := range deliveries {
			var both sync.WaitGroup
			for _, url := range urls {
				both.Go(func() {
					for status := 0; status != http.StatusOK; {
						status = send(t, url, fmt.Sprint("event-", i))
						mu.Lock()
						statuses[status]++
						mu.Unlock()
						if status != http.StatusOK {
							time.Sleep(20 * time.Millisecond) // Convosphere waits a minute
						}
					}
				})
			}
			both.Wait()
		}
		for _, w := range workers {
			require.NoError(t, w.Process.Kill())
		}
		reading.Wait() // until then, a busy machine may not have read all
		require.Len(t, callbacks, deliveries)
		for id, n := range callbacks {
			require.Equal(t, 1, n, "callbacks for %s", id)
		}
		require.Equal(t, 2*deliveries, statuses[http.StatusOK])
		require.Equal(t, 2*deliveries+statuses[http.StatusServiceUnavailable], total(statuses), "%v", statuses)
		t.Log("statuses:", statuses)
	})
}

func total(counts map[int]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
