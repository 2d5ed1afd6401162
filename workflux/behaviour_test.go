package workflux_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// handlerFor returns a handler with a callback for conversation.started.
func handlerFor(
	t *testing.T, c workflux.Config, o webhook.Options, fn func(context.Context, *workflux.ConversationStarted) error,
) *workflux.Handler {
	t.Helper()
	c.Keys = []signature.Key{sender.Key}
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := c.NewHandler(&o)
	require.NoError(t, err)
	h.OnConversationStarted(fn)
	return h
}

func succeed(context.Context, *workflux.ConversationStarted) error { return nil }

func fail(context.Context, *workflux.ConversationStarted) error { return errors.New("not today") }

// started returns a conversation.started that was dated some time ago.
func started(t *testing.T, ago time.Duration) []byte {
	t.Helper()
	return sender.Stamp(sample(t, workflux.TypeConversationStarted), time.Now().Add(-ago))
}

func TestASignatureByTheRecipeOfTheGuideIsAccepted(t *testing.T) {
	body := started(t, 0)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	header := http.Header{"X-Workflux-Signature": {hex.EncodeToString(mac.Sum(nil))}}
	h := handlerFor(t, workflux.Config{}, webhook.Options{}, succeed)
	result := h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(string(body))})
	require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)

	result = h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(string(body) + "\n")})
	require.Equal(t, webhook.Forged, result.Outcome)
}

func TestDocumentedEventsHaveTheValuesOfTheGuide(t *testing.T) {
	started := receive(t, sample(t, workflux.TypeConversationStarted)).(*workflux.ConversationStarted)
	require.Equal(t, &workflux.ConversationStarted{
		Event: started.Event, ConversationID: "conv-123", AgentID: "agent-123", AgentName: "Customer Support Agent",
		Channel: workflux.ChannelChat, UserID: "user-456", UserEmail: "user@example.com", InitialMessage: "Hello, I need help",
	}, started)

	completed := receive(t, sample(t, workflux.TypeConversationCompleted)).(*workflux.ConversationCompleted)
	require.Equal(t, &workflux.ConversationCompleted{
		Event: completed.Event, ConversationID: "conv-123", AgentID: "agent-123", DurationSeconds: 300, MessagesCount: 8,
		ResolutionRate: 1, SatisfactionScore: 5,
	}, completed)

	response := receive(t, sample(t, workflux.TypeAgentResponse)).(*workflux.AgentResponse)
	require.Equal(t, &workflux.AgentResponse{
		Event: response.Event, ConversationID: "conv-123", AgentID: "agent-123", MessageID: "msg-789",
		Content: "I can help you with that...", ResponseTimeMs: 1200, ConfidenceScore: 0.95,
	}, response)

	sync := receive(t, sample(t, workflux.TypeIntegrationSync)).(*workflux.IntegrationSync)
	require.Equal(t, &workflux.IntegrationSync{
		Event: sync.Event, IntegrationID: "int-456", IntegrationType: workflux.IntegrationTypeSalesforce,
		SyncType: workflux.SyncTypeFull, RecordsSynced: 150, DurationSeconds: 45, Status: workflux.SyncStatusSuccess,
	}, sync)
}

func TestValuesThatTheGuideDoesNotShowAreTakenAsTheyAre(t *testing.T) {
	e := receive(t, change(t, sample(t, workflux.TypeConversationStarted), func(_, data map[string]any) {
		data["channel"] = "carrier pigeon"
	})).(*workflux.ConversationStarted)
	require.Equal(t, workflux.Channel("carrier pigeon"), e.Channel)

	s := receive(t, change(t, sample(t, workflux.TypeIntegrationSync), func(_, data map[string]any) {
		data["integration_type"], data["sync_type"], data["status"] = "abacus", "", "half done"
	})).(*workflux.IntegrationSync)
	require.Equal(t, workflux.IntegrationType("abacus"), s.IntegrationType)
	require.Equal(t, workflux.SyncType(""), s.SyncType)
	require.Equal(t, workflux.SyncStatus("half done"), s.Status)
}

func TestAMeasureMayHaveAFraction(t *testing.T) {
	r := receive(t, change(t, sample(t, workflux.TypeAgentResponse), func(_, data map[string]any) {
		data["response_time_ms"] = 1200.25
	})).(*workflux.AgentResponse)
	require.InDelta(t, 1200.25, r.ResponseTimeMs, 0)

	c := receive(t, change(t, sample(t, workflux.TypeConversationCompleted), func(_, data map[string]any) {
		data["duration_seconds"], data["satisfaction_score"] = 0.5, 4.5
	})).(*workflux.ConversationCompleted)
	require.InDelta(t, 0.5, c.DurationSeconds, 0)
	require.InDelta(t, 4.5, c.SatisfactionScore, 0)
}

func TestTheLastRetryIsWithinTheWindowAndAnythingOlderIsNot(t *testing.T) {
	for ago, want := range map[time.Duration]webhook.Outcome{
		-4 * time.Minute:            webhook.Handled,
		-6 * time.Minute:            webhook.Future,
		81 * time.Minute:            webhook.Handled,
		2*time.Hour - time.Minute:   webhook.Handled,
		2*time.Hour + 2*time.Second: webhook.Stale,
	} {
		h := handlerFor(t, workflux.Config{}, webhook.Options{}, succeed)
		require.Equal(t, want, send(t, h, started(t, ago)).Outcome, "%v", ago)
	}
}

func TestAFifthFailureIsAnswered200SoThatTheWebhookIsNotDisabled(t *testing.T) {
	h := handlerFor(t, workflux.Config{}, webhook.Options{}, fail)
	body := started(t, 0)
	for range 4 {
		require.Equal(t, http.StatusInternalServerError, send(t, h, body).Status)
	}
	last := send(t, h, body)
	require.Equal(t, webhook.Abandoned, last.Outcome)
	require.Equal(t, http.StatusOK, last.Status)
}

func TestAFailureThatMustBeTheFifthByItsAgeIsParked(t *testing.T) {
	parked := 0
	o := webhook.Options{DeadLetter: func(context.Context, *webhook.Delivery, error) error { parked++; return nil }}
	h := handlerFor(t, workflux.Config{}, o, fail)
	require.Equal(t, webhook.Failed, send(t, h, started(t, 39*time.Minute)).Outcome)
	require.Zero(t, parked)
	require.Equal(t, webhook.DeadLettered, send(t, h, started(t, 41*time.Minute)).Outcome)
	require.Equal(t, 1, parked)
}

func TestDeliveriesWithTheSameBytesAreOne(t *testing.T) {
	h := handlerFor(t, workflux.Config{}, webhook.Options{}, succeed)
	body := started(t, 0)
	require.Equal(t, webhook.Handled, send(t, h, body).Outcome)
	require.Equal(t, webhook.Duplicate, send(t, h, body).Outcome)
	require.Equal(t, webhook.Handled, send(t, h, started(t, time.Second)).Outcome)
}

func TestAKeyOfTheUsersStandsInPlaceOfTheBytes(t *testing.T) {
	key := func(event any) string { return event.(*workflux.ConversationStarted).ConversationID }
	h := handlerFor(t, workflux.Config{Key: key}, webhook.Options{}, succeed)
	require.Equal(t, webhook.Handled, send(t, h, started(t, 0)).Outcome)
	require.Equal(t, webhook.Duplicate, send(t, h, started(t, time.Second)).Outcome)

	key = func(any) string { return "" }
	h = handlerFor(t, workflux.Config{Key: key}, webhook.Options{}, succeed)
	require.Equal(t, webhook.Handled, send(t, h, started(t, 0)).Outcome)
	require.Equal(t, webhook.Handled, send(t, h, started(t, time.Second)).Outcome)
}

func TestTypesThatAreNotKnownAreAnswered200(t *testing.T) {
	h := handlerFor(t, workflux.Config{}, webhook.Options{}, succeed)
	body := change(t, started(t, 0), func(body, _ map[string]any) { body["event"] = "conversation.reopened" })
	result := send(t, h, body)
	require.Equal(t, webhook.Unhandled, result.Outcome)
	require.Equal(t, webhook.ReasonUnknownType, result.Reason)
	require.Equal(t, http.StatusOK, result.Status)
}
