package greenflash_test

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// A process is a service that starts, stops and starts again with an empty memory.
type process struct {
	*greenflash.Handler
	runs *int
	log  *logtest.LogBuffer
}

func startProcess(t *testing.T, runs *int, store idempotency.Store) *process {
	t.Helper()
	p := &process{runs: runs, log: new(logtest.LogBuffer)}
	h, err := greenflash.NewHandler("whsec", &webhook.Options{Logger: p.log.Text(), Store: store})
	require.NoError(t, err)
	h.OnConversationRating(func(context.Context, *greenflash.ConversationRating) error { *runs++; return nil })
	p.Handler = h
	return p
}

// send sends a body that was signed alone, with a header that anyone can set.
func (p *process) send(t *testing.T, body []byte) webhook.Result {
	t.Helper()
	header := http.Header{"X-Greenflash-Timestamp": {strconv.FormatInt(time.Now().Unix(), 10)}}
	require.NoError(t, greenflash.Profile().Scheme.Sign(signature.NewKey("default", "whsec"), string(greenflash.FormBody), header, body))
	return p.Process(t.Context(), webhook.Request{Header: header, Body: bytes.NewReader(body)})
}

func TestFormBody_CaptureDoesNotRunAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		captured := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `","data":{}}`)
		first := startProcess(t, &runs, nil)
		require.Equal(t, webhook.Handled, first.send(t, captured).Outcome)
		time.Sleep(time.Hour)
		require.Equal(t, webhook.Duplicate, first.send(t, captured).Outcome)

		second := startProcess(t, &runs, nil)
		result := second.send(t, captured)
		require.Equal(t, webhook.ReasonStale, result.Reason, "the new store cannot know whether it has run")
		require.Equal(t, 1, runs)

		recent := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().Add(-4*time.Minute).UTC().Format(time.RFC3339) + `","data":{}}`)
		require.Equal(t, webhook.Handled, second.send(t, recent).Outcome, "a genuine delivery that a restart has delayed")
		time.Sleep(2 * time.Hour)
		late := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `","data":{}}`)
		require.Equal(t, webhook.Handled, second.send(t, late).Outcome, "the store has existed for longer")
		require.Equal(t, webhook.ReasonStale, second.send(t, captured).Reason)
		require.NotContains(t, second.log.String(), "durable store")
	})
}

func TestFormBody_WarnsOnceWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		first := startProcess(t, &runs, nil)
		require.Empty(t, first.log.String())
		for _, body := range []string{`{"type":"conversation.rating","data":{"n":1}}`, `{"type":"conversation.rating","data":{"n":2}}`} {
			require.Equal(t, webhook.Handled, first.send(t, []byte(body)).Outcome)
		}
		require.Equal(t, 1, first.log.Count("set Options.Store to a durable store", "form=body"))

		// What the warning says: the capture runs again.
		second := startProcess(t, &runs, nil)
		require.Equal(t, webhook.Handled, second.send(t, []byte(`{"type":"conversation.rating","data":{"n":1}}`)).Outcome)
		require.Equal(t, 3, runs)
	})
}

// A store that survives the restart still refuses what is older than its retention.
func TestFormBody_CaptureDoesNotRunAfterRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		memory, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: 48 * time.Hour})
		require.NoError(t, err)
		durable := struct{ idempotency.Store }{memory} // hides that it forgets
		captured := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `","data":{}}`)
		require.Equal(t, webhook.Handled, startProcess(t, &runs, durable).send(t, captured).Outcome)
		time.Sleep(47 * time.Hour)
		second := startProcess(t, &runs, durable)
		require.Equal(t, webhook.Duplicate, second.send(t, captured).Outcome)
		time.Sleep(100 * 24 * time.Hour)
		require.Equal(t, webhook.ReasonStale, second.send(t, captured).Reason)
		require.Equal(t, 1, runs)
		require.Equal(t, webhook.Handled, second.send(t, []byte(`{"type":"conversation.rating","data":{"n":1}}`)).Outcome)
		require.NotContains(t, second.log.String(), "durable store")
	})
}

// The sender's clock may be ahead by as much as is allowed. The store then forgets a delivery while its time looks recent.
func TestFormBody_RefusesReplayOfFastClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		memory, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: 48 * time.Hour})
		require.NoError(t, err)
		p := startProcess(t, &runs, struct{ idempotency.Store }{memory})
		captured := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().Add(4*time.Minute).UTC().Format(time.RFC3339) + `","data":{}}`)
		require.Equal(t, webhook.Handled, p.send(t, captured).Outcome)
		time.Sleep(48*time.Hour + time.Minute)
		require.Equal(t, webhook.ReasonStale, p.send(t, captured).Reason)
		require.Equal(t, 1, runs)
	})
}

// The time in the body says how long a capture can be replayed, so it must not be far ahead.
func TestFormBody_RefusesFutureTimeInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		p := startProcess(t, &runs, nil)
		ahead := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","data":{}}`)
		require.Equal(t, webhook.ReasonFuture, p.send(t, ahead).Reason)
		require.Zero(t, runs)
	})
}

// With a signed time of sending, the event may be older than what the store remembers.
func TestFormTimestamp_AcceptsOldTimeInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		p := startProcess(t, &runs, nil)
		body := []byte(`{"type":"conversation.rating","timestamp":"` + time.Now().Add(-1000*time.Hour).UTC().Format(time.RFC3339) + `","data":{}}`)
		header := http.Header{"X-Greenflash-Timestamp": {strconv.FormatInt(time.Now().Unix(), 10)}}
		require.NoError(t, greenflash.Profile().Scheme.Sign(signature.NewKey("default", "whsec"), string(greenflash.FormTimestamp), header, body))
		require.Equal(t, webhook.Handled, p.Process(t.Context(), webhook.Request{Header: header, Body: bytes.NewReader(body)}).Outcome)
		require.Equal(t, 1, runs)
	})
}
