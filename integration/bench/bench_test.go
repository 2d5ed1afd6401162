package main

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// All handlers do the same: they accept a genuine delivery, and all except the empty one refuse a forged one.
func TestHandlers_AcceptGenuineDeliveriesOnly(t *testing.T) {
	for _, name := range []string{empty, competent, best, ours, oursFast, oursOtel, verifyOnly, oursUndecoded, goPlayground, sqliteByHand} {
		t.Run(name, func(t *testing.T) {
			x, err := newExchanges(name, t.TempDir(), 4<<10)
			require.NoError(t, err)
			var e exchange
			x.prepare(&e, newSender(x.text), rand.Uint64())
			x.handler.ServeHTTP(&e, e.request)
			require.Equal(t, http.StatusOK, e.status)
			if name == empty {
				return
			}
			x.prepare(&e, newSender(x.text), rand.Uint64())
			for header, value := range e.request.Header {
				if strings.Contains(header, "Signature") {
					value[0] = strings.Repeat("0", len(value[0]))
				}
			}
			x.handler.ServeHTTP(&e, e.request)
			require.GreaterOrEqual(t, e.status, http.StatusBadRequest)
		})
	}
}

// The maximum is a little above what a delivery allocates. The race detector adds some.
func TestDelivery_AllocatesLittle(t *testing.T) {
	x, err := newExchanges(oursUndecoded, "", 512)
	require.NoError(t, err)
	all, s, next := make([]exchange, 1001), newSender(x.text), 0
	for i := range all {
		x.prepare(&all[i], s, uint64(i))
	}
	allocations := testing.AllocsPerRun(len(all)-1, func() {
		x.handler.ServeHTTP(&all[next], all[next].request)
		next++
	})
	t.Log(allocations)
	require.LessOrEqual(t, allocations, 36.0)
}

func TestParseBenchmark_HasNameAndFigures(t *testing.T) {
	name, figures := parseBenchmark("BenchmarkEnqueue/senders=64-2   \t       9\t      1200 alone_per_s\t  0.98 ratio")
	require.Equal(t, "Enqueue/senders=64", name)
	require.Equal(t, "1200 alone_per_s, 0.98 ratio", figures)
	name, _ = parseBenchmark("ok  \tgithub.com/aihooks/aihooks-go/idempotency\t1.2s")
	require.Empty(t, name)
}
