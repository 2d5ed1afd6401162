package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// flood runs unauthenticated senders, each of which sends what attack writes. A sender keeps its connection until the server
// closes it, and then opens another.
func flood(t *testing.T, address string, senders int, attack func(i int, conn net.Conn)) {
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				if err != nil {
					continue
				}
				end := context.AfterFunc(ctx, func() { _ = conn.Close() })
				attack(i, conn)
				_, _ = io.Copy(io.Discard, conn)
				end()
				_ = conn.Close()
			}
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

// stalls sends a large body except its last byte.
func stalls(i int, conn net.Conn) {
	if i%2 == 0 {
		_, _ = fmt.Fprintf(conn, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", i%4/2, 8*chunk)
		_, _ = io.WriteString(conn, strings.Repeat(" ", 8*chunk-1))
	} else {
		_, _ = fmt.Fprintf(conn, "POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", i%4/2, 8*chunk, strings.Repeat(" ", 8*chunk-1))
	}
}

// trickles sends a byte from time to time.
func trickles(i int, conn net.Conn) {
	_, _ = fmt.Fprintf(conn, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", i%2)
	for range 1000 {
		if _, err := io.WriteString(conn, " "); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Two handlers share a budget. The attack would fill it several times, and BodyTimeout is longer than the test.
func TestFlood_LeavesGenuineDeliveriesAndMemory(t *testing.T) {
	const deliveries = 100
	for name, c := range map[string]struct {
		attack func(int, net.Conn)
		chunks int64
	}{
		"large bodies that stall": {stalls, 32},
		"a byte now and then":     {trickles, 32},
	} {
		for middleware, hide := range hiding {
			t.Run(name+", "+middleware, func(t *testing.T) {
				budget := webhook.NewReadBudget(c.chunks * chunk)
				var receivers []*receiver
				mux := http.NewServeMux()
				for i := range 2 {
					r := newReceiver(t, webhook.Options{MaxBody: 8 * chunk, ReadBudget: budget, BodyTimeout: patience, ResponseTimeout: patience},
						func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.RespondWithin = 2 * patience })
					ping.On(r.Handler, returns(nil))
					mux.Handle(fmt.Sprintf("/%d", i), hide(r))
					receivers = append(receivers, r)
				}
				server := webhook.NewServer("", mux)
				server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 0, 0, 0
				s, _ := serveCounting(t, server, false)
				flood(t, s.Listener.Addr().String(), 64, c.attack)
				evicted := func() (n int) {
					for _, r := range receivers {
						for _, o := range r.observations() {
							if o.Reason == webhook.ReasonEvicted {
								n++
							}
						}
					}
					return n
				}
				require.Eventually(t, func() bool { return evicted() >= 64 }, patience, time.Millisecond, "the attack must use up the budget")

				var peak atomic.Int64
				ok := 0
				for i := range deliveries {
					if deliverApart(t, s.Listener.Addr().String(), receivers[i%2], i) == http.StatusOK {
						ok++
					}
					used, _ := budget.Used()
					peak.Store(max(peak.Load(), used))
				}
				require.GreaterOrEqual(t, ok, deliveries*95/100)
				require.LessOrEqual(t, peak.Load(), (c.chunks+64)*chunk)
			})
		}
	}
}

// deliverApart sends a delivery to the path i%2, with head and body in two packets, and returns the status.
func deliverApart(t *testing.T, address string, r *receiver, i int) int {
	c := dial(t, address)
	b := body(fmt.Sprint(i))
	head := strings.Replace(r.head(b, length(len(b))), "POST / ", fmt.Sprintf("POST /%d ", i%2), 1)
	c.write(head)
	c.write(string(bytes.Clone(b)))
	defer c.Close()
	return c.readResponse().status
}
