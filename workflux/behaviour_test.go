package workflux_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

var vendor = vendortest.New("workflux", vendortest.Secret)

// handlerFor returns a handler with a callback for conversation.started.
func handlerFor(
	t *testing.T, c workflux.Config, o webhook.Options, fn func(context.Context, *workflux.ConversationStarted) error,
) *workflux.Handler {
	t.Helper()
	c.Keys = []signature.Key{vendor.Key()}
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := c.NewHandler(&o)
	require.NoError(t, err)
	h.OnConversationStarted(fn)
	return h
}

func succeed(context.Context, *workflux.ConversationStarted) error { return nil }

func fail(context.Context, *workflux.ConversationStarted) error { return errors.New("not today") }

// started returns a conversation.started with a timestamp in the past.
func started(t *testing.T, ago time.Duration) []byte {
	t.Helper()
	return vendor.Dated(vendor.Sample(t, workflux.TypeConversationStarted), time.Now().Add(-ago))
}

func TestEvents_MatchGuide(t *testing.T) {
	started := vendor.Receive(t, vendor.Sample(t, workflux.TypeConversationStarted)).(*workflux.ConversationStarted)
	require.Equal(t, &workflux.ConversationStarted{
		Event: started.Event, ConversationID: "conv-123", AgentID: "agent-123", AgentName: "Customer Support Agent",
		Channel: workflux.ChannelChat, UserID: "user-456", UserEmail: "user@example.com", InitialMessage: "Hello, I need help",
	}, started)

	completed := vendor.Receive(t, vendor.Sample(t, workflux.TypeConversationCompleted)).(*workflux.ConversationCompleted)
	require.Equal(t, &workflux.ConversationCompleted{
		Event: completed.Event, ConversationID: "conv-123", AgentID: "agent-123", DurationSeconds: 300, MessagesCount: 8,
		ResolutionRate: 1, SatisfactionScore: 5,
	}, completed)

	response := vendor.Receive(t, vendor.Sample(t, workflux.TypeAgentResponse)).(*workflux.AgentResponse)
	require.Equal(t, &workflux.AgentResponse{
		Event: response.Event, ConversationID: "conv-123", AgentID: "agent-123", MessageID: "msg-789",
		Content: "I can help you with that...", ResponseTimeMs: 1200, ConfidenceScore: 0.95,
	}, response)

	sync := vendor.Receive(t, vendor.Sample(t, workflux.TypeIntegrationSync)).(*workflux.IntegrationSync)
	require.Equal(t, &workflux.IntegrationSync{
		Event: sync.Event, IntegrationID: "int-456", IntegrationType: workflux.IntegrationTypeSalesforce,
		SyncType: workflux.SyncTypeFull, RecordsSynced: 150, DurationSeconds: 45, Status: workflux.SyncStatusSuccess,
	}, sync)
}

func TestEvents_AcceptFractionalMeasures(t *testing.T) {
	r := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, workflux.TypeAgentResponse), func(_, data map[string]any) {
		data["response_time_ms"] = 1200.25
	})).(*workflux.AgentResponse)
	require.InDelta(t, 1200.25, r.ResponseTimeMs, 0)

	c := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, workflux.TypeConversationCompleted), func(_, data map[string]any) {
		data["duration_seconds"], data["satisfaction_score"] = 0.5, 4.5
	})).(*workflux.ConversationCompleted)
	require.InDelta(t, 0.5, c.DurationSeconds, 0)
	require.InDelta(t, 4.5, c.SatisfactionScore, 0)
}

func TestHandler_FifthFailureIs200(t *testing.T) {
	for _, reading := range workfluxtest.Vendor().Schedules {
		synctest.Test(t, func(t *testing.T) {
			h := handlerFor(t, workflux.Config{}, webhook.Options{}, fail)
			sender := vendor.Sender(t, h)
			d := sender.Sample(workflux.TypeConversationStarted)
			began := time.Now()
			for _, at := range reading.Attempts[:4] {
				time.Sleep(time.Until(began.Add(at)))
				require.Equal(t, http.StatusInternalServerError, sender.Process(d).Status)
			}
			time.Sleep(time.Until(began.Add(reading.Attempts[4])))
			last := sender.Process(d)
			require.Equal(t, webhook.Dropped, last.Outcome, reading.Name)
			require.Equal(t, http.StatusOK, last.Status)
		})
	}
}

// Copies from a resend button or a proxy do not use up WorkFlux's five attempts, because the signed bytes contain the time.
func TestHandler_FailuresWithinSecondsAre500(t *testing.T) {
	for _, pause := range []time.Duration{time.Millisecond, time.Second, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h := handlerFor(t, workflux.Config{}, webhook.Options{}, fail)
			sender := vendor.Sender(t, h)
			d := sender.Sample(workflux.TypeConversationStarted)
			for range 12 {
				require.Equal(t, http.StatusInternalServerError, sender.Process(d).Status)
				time.Sleep(pause)
			}
		})
	}
}

func TestHandler_DeadLettersFifthFailureByAge(t *testing.T) {
	parked := 0
	o := webhook.Options{DeadLetter: func(context.Context, *webhook.Delivery, error) error { parked++; return nil }}
	h := handlerFor(t, workflux.Config{}, o, fail)
	sender := vendor.Sender(t, h)
	require.Equal(t, webhook.Failed, sender.WithClock(-39*time.Minute).Process(sender.Sample(workflux.TypeConversationStarted)).Outcome)
	require.Zero(t, parked)
	require.Equal(t, webhook.DeadLettered, sender.WithClock(-41*time.Minute).Process(sender.Sample(workflux.TypeConversationStarted)).Outcome)
	require.Equal(t, 1, parked)
}

func TestDedupKeys_UseBody(t *testing.T) {
	h := handlerFor(t, workflux.Config{}, webhook.Options{}, succeed)
	body := started(t, 0)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, body).Outcome)
	require.Equal(t, webhook.Duplicate, vendor.Send(t, h, body).Outcome)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, started(t, time.Minute)).Outcome)
}

func TestDedupKeys_UseConfiguredKey(t *testing.T) {
	key := func(event any) string { return event.(*workflux.ConversationStarted).ConversationID }
	h := handlerFor(t, workflux.Config{DedupKey: key}, webhook.Options{}, succeed)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, started(t, 0)).Outcome)
	require.Equal(t, webhook.Duplicate, vendor.Send(t, h, started(t, time.Minute)).Outcome)

	key = func(any) string { return "" }
	h = handlerFor(t, workflux.Config{DedupKey: key}, webhook.Options{}, succeed)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, started(t, 0)).Outcome)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, started(t, time.Minute)).Outcome)
}
