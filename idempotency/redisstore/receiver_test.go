//go:build unix

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const secret = "a-secret-from-convosphere"

// newReceiver returns a handler as a service has it: Convosphere's handler with a callback for every type. The options have
// its store.
func newReceiver(o webhook.Options, call func(context.Context, *webhook.Delivery) error) (*convosphere.Handler, error) {
	o.CallbackTimeout, o.Logger = time.Second, slog.New(slog.DiscardHandler)
	h, err := convosphere.NewHandler(secret, &o)
	if err != nil {
		return nil, err
	}
	h.OnUnhandled(call)
	return h, nil
}

// receive runs a service in another process. Its callbacks record every delivery in the sharedLog.
func receive() error {
	d := openDiary(os.Getenv("SHARED_LOG"))
	h, err := newReceiver(webhook.Options{Store: theirStore()}, func(_ context.Context, delivery *webhook.Delivery) error {
		time.Sleep(time.Millisecond)
		d.write(delivery.ID)
		return nil
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	return http.Serve(l, h)
}

// until sends the delivery with that id until the status is 200, as Convosphere does, but without pauses. The only other
// status may be 503. until then calls refused. A busy machine may also respond after Convosphere's timeout.
func until(s *webhooktest.Sender, id string, refused func()) error {
	d := s.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})
	for deadline := time.Now().Add(kit.Patience); ; time.Sleep(20 * time.Millisecond) {
		result := s.Send(d)
		switch {
		case errors.Is(result.Err, context.DeadlineExceeded) && time.Now().Before(deadline):
			continue
		case result.Err != nil:
			return result.Err
		case result.Status == http.StatusOK:
			return nil
		case result.Status != http.StatusServiceUnavailable:
			return fmt.Errorf("%s got status %d", id, result.Status)
		case time.Now().After(deadline):
			return fmt.Errorf("%s was not taken within %v", id, kit.Patience)
		}
		refused()
	}
}

func TestReceiver_CallsBackOnceAcrossTwoProcesses(t *testing.T) {
	const deliveries = 100
	path, name := filepath.Join(t.TempDir(), "sharedLog"), namespace(t)
	var senders []*webhooktest.Sender
	for range 2 {
		p := kit.StartRole(t, "receiver", "ADDR="+shared.Addr(), "NAMESPACE="+name, "SHARED_LOG="+path)
		senders = append(senders, convospheretest.NewSenderTo(t, p.Line(t), secret))
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range deliveries {
		for _, s := range senders {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				assert.NoError(t, until(s, strconv.Itoa(i), func() {}))
			})
		}
	}
	wg.Wait()
	calls := make(map[string]int)
	for _, line := range readSharedLog(t, path) {
		calls[line[0]]++
	}
	require.Len(t, calls, deliveries)
	for id, n := range calls {
		require.Equal(t, 1, n, "callbacks for %s", id)
	}
}
