package webhook_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// A measuringBody is a body that measures the buffers into which it is read. It yields chunk bytes at a time, up to size.
type measuringBody struct {
	chunk, size int
	sent        int
	first       int     // size of the first read's buffer in bytes
	most        float64 // maximum ratio of a buffer's size to the bytes before it
}

func (b *measuringBody) Read(p []byte) (int, error) {
	if b.first == 0 {
		b.first = len(p)
	} else {
		b.most = max(b.most, float64(len(p))/float64(b.sent))
	}
	n := min(len(p), b.chunk, b.size-b.sent)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	b.sent += n
	return n, nil
}

const trusted = 128 << 10 // more than is allocated for a length that was only declared

func TestBody_DeclaredLengthAllocatesLittle(t *testing.T) {
	for _, declared := range []int64{-1, 1 << 10, 100 << 10, webhook.DefaultMaxBody} {
		r := newReceiver(t, webhook.Options{})
		b := &measuringBody{chunk: 1, size: 1}
		r.Process(t.Context(), webhook.Request{Body: b, ContentLength: declared})
		require.LessOrEqual(t, b.first, trusted, "%d declared", declared)
	}
	r := newReceiver(t, webhook.Options{MaxBody: 1 << 40, ReadBudget: webhook.NewReadBudget(1 << 42)})
	b := &measuringBody{chunk: 1, size: 1}
	r.Process(t.Context(), webhook.Request{Body: b, ContentLength: 1 << 40})
	require.LessOrEqual(t, b.first, trusted)
}

// A buffer is at most as large as the bytes that have arrived.
func TestBody_MemoryGrowsWithWhatArrives(t *testing.T) {
	for _, chunk := range []int{trusted, 1 << 20} {
		for _, declared := range []int64{-1, 8 << 20} {
			r := newReceiver(t, webhook.Options{MaxBody: 16 << 20})
			b := &measuringBody{chunk: chunk, size: 8 << 20}
			require.Equal(t, webhook.Unauthenticated, r.Process(t.Context(), webhook.Request{Body: b, ContentLength: declared}).Outcome)
			require.Equal(t, 8<<20, b.sent)
			require.LessOrEqual(t, b.most, 2.0)
		}
	}
}

// The handler reads little more than MaxBody of an endless body.
func TestBody_ReadingStopsAtMaxBody(t *testing.T) {
	for _, limit := range []int64{1, 1000, 1 << 20} {
		r := newReceiver(t, webhook.Options{MaxBody: limit})
		b := &measuringBody{chunk: 512, size: 1 << 30}
		require.Equal(t, webhook.ReasonTooLarge, r.Process(t.Context(), webhook.Request{Body: b}).Reason)
		require.LessOrEqual(t, int64(b.sent), limit+512)
	}
}

// The memory of a large body must not be kept for later small bodies.
func TestBody_LargeBuffersAreNotKept(t *testing.T) {
	r := newReceiver(t, webhook.Options{MaxBody: 16 << 20})
	for range 20 {
		r.Process(t.Context(), webhook.Request{Body: &measuringBody{chunk: 1 << 20, size: 8 << 20}})
		small := &measuringBody{chunk: 1, size: 1}
		r.Process(t.Context(), webhook.Request{Body: small})
		require.LessOrEqual(t, small.first, 512<<10)
	}
}
