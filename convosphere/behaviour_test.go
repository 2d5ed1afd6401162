package convosphere_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

var vendor = vendortest.New("convosphere", vendortest.Secret)

// handlerFor returns a handler with a callback for message.created.
func handlerFor(
	t *testing.T, o webhook.Options, fn func(context.Context, *convosphere.MessageCreated) error,
) *convosphere.Handler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := convosphere.Config{Keys: []signature.Key{vendor.Key()}}.NewHandler(&o)
	require.NoError(t, err)
	h.OnMessageCreated(fn)
	return h
}

func succeed(context.Context, *convosphere.MessageCreated) error { return nil }

func fail(context.Context, *convosphere.MessageCreated) error { return errors.New("not today") }

// created returns a message.created with a timestamp in the past.
func created(t *testing.T, ago time.Duration) []byte {
	t.Helper()
	return vendor.Dated(vendor.Sample(t, convosphere.TypeMessageCreated), time.Now().Add(-ago))
}

func TestHandler_Responds200ToTestEvents(t *testing.T) {
	h := handlerFor(t, webhook.Options{}, succeed)
	for _, body := range []string{
		`{"type":"webhook.test"}`,
		`{"type":"test","data":{"message":"Hello"}}`,
		`{"id":null,"type":null,"timestamp":null}`,
		`{"test":true}`,
		`{}`,
		fmt.Sprintf(`{"id":"evt_1","type":"ping","timestamp":%d,"data":{}}`, time.Now().Unix()),
		`{"type":"message.completed"}`, // a documented type without a callback
	} {
		result := vendor.Send(t, h, []byte(body))
		require.Equal(t, webhook.Unhandled, result.Outcome, body)
		require.Equal(t, http.StatusOK, result.Status, body)
	}
}

func TestHandler_RejectsEventsWithoutTimestamp(t *testing.T) {
	h := handlerFor(t, webhook.Options{}, succeed)
	for _, timestamp := range []any{nil, "yesterday", 1.5, true, map[string]any{}} {
		body := vendor.Change(t, created(t, 0), func(body, _ map[string]any) { body["timestamp"] = timestamp })
		result := vendor.Send(t, h, body)
		require.Equal(t, webhook.Rejected, result.Outcome)
		require.Equal(t, webhook.ReasonNoTime, result.Reason)
		require.Equal(t, http.StatusBadRequest, result.Status)
	}
}

func TestHandler_RunsNothingForStaleTestEvents(t *testing.T) {
	run := func(context.Context, *webhook.Delivery) error { require.Fail(t, "run"); return nil }
	for _, register := range []func(webhook.VendorHandler){
		func(webhook.VendorHandler) {},
		func(h webhook.VendorHandler) { h.OnUnhandled(run) },
		func(h webhook.VendorHandler) { h.Before(run) },
	} {
		h := vendor.Handler(t)
		register(h)
		require.Equal(t, http.StatusOK, vendor.Send(t, h, []byte(`{"type":"test"}`)).Status)
		require.Equal(t, http.StatusOK, vendor.Send(t, h, []byte(`{"type":"test","timestamp":1734567890}`)).Status)
	}
}

func TestEvents_MatchPublishedSamples(t *testing.T) {
	created := vendor.Receive(t, vendor.Sample(t, convosphere.TypeMessageCreated)).(*convosphere.MessageCreated)
	require.Equal(t, "evt_123", created.ID)
	require.Equal(t, convosphere.TypeMessageCreated, created.Type)
	require.WithinDuration(t, time.Now(), created.Time, time.Minute)
	require.Equal(t, &convosphere.MessageCreated{
		Event: created.Event, MessageID: "msg_123", AgentID: "agent_123", ThreadID: "thread_123", Role: convosphere.RoleUser,
		Content: "Where is my order?", UserID: "user_123", CreatedAt: time.Date(2024, 12, 19, 0, 24, 50, 0, time.UTC),
	}, created)

	completed := vendor.Receive(t, vendor.Sample(t, convosphere.TypeMessageCompleted)).(*convosphere.MessageCompleted)
	require.Equal(t, &convosphere.MessageCompleted{
		Event: completed.Event, MessageID: "msg_124", AgentID: "agent_123", ThreadID: "thread_123",
		Role: convosphere.RoleAssistant, Content: "It arrives tomorrow.", Model: "gpt-4o",
		TokensUsed: convosphere.TokensUsed{Prompt: 150, Completion: 25, Total: 175},
		CreatedAt:  time.Date(2024, 12, 19, 0, 24, 53, 0, time.UTC),
	}, completed)
}

func TestText_KeepsAnyValue(t *testing.T) {
	for sent, want := range map[string]string{
		`"thumbs_up"`:   "thumbs_up",
		`"a \u003c \""`: `a < "`,
		`""`:            "",
		`500`:           "500",
		`-1.50`:         "-1.50",
		`true`:          "true",
		`{"a":[1,2]}`:   `{"a":[1,2]}`,
		`[]`:            "[]",
	} {
		value := json.RawMessage(sent)
		f := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, convosphere.TypeUserFeedback), func(_, data map[string]any) {
			data["rating"], data["comment"] = value, value
		})).(*convosphere.UserFeedback)
		require.Equal(t, convosphere.Rating(want), *f.Rating)
		require.Equal(t, convosphere.Text(want), *f.Comment)

		e := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, convosphere.TypeErrorOccurred), func(_, data map[string]any) {
			data["code"], data["message"], data["error"] = value, value, value
		})).(*convosphere.ErrorOccurred)
		require.Equal(t, convosphere.Text(want), *e.Code)
		require.Equal(t, convosphere.Text(want), *e.Error)
		require.Equal(t, convosphere.Text(want), *e.Message)
	}
}

func TestText_IsNilWhenNotSent(t *testing.T) {
	f := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, convosphere.TypeUserFeedback), func(_, data map[string]any) {
		data["rating"] = nil
		delete(data, "comment")
	})).(*convosphere.UserFeedback)
	require.Nil(t, f.Rating)
	require.Nil(t, f.Comment)
}

func TestUnknown_IncludesNewTokenCounts(t *testing.T) {
	e := vendor.Receive(t, vendor.Change(t, vendor.Sample(t, convosphere.TypeMessageCompleted), func(_, data map[string]any) {
		data["tokensUsed"].(map[string]any)["cached"] = 7
	}))
	require.Equal(t, map[string]json.RawMessage{"/data/tokensUsed/cached": json.RawMessage(`7`)}, e.Unknown())
}

func TestDedupKeys_UseEventID(t *testing.T) {
	h := handlerFor(t, webhook.Options{}, succeed)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, created(t, 0)).Outcome)
	require.Equal(t, webhook.Duplicate, vendor.Send(t, h, created(t, time.Minute)).Outcome)
	other := vendor.Change(t, created(t, 0), func(body, _ map[string]any) { body["id"] = "evt_other" })
	require.Equal(t, webhook.Handled, vendor.Send(t, h, other).Outcome)
}

func TestDedupKeys_UseBodyWithoutID(t *testing.T) {
	h := handlerFor(t, webhook.Options{}, succeed)
	without := func(ago time.Duration) []byte {
		return vendor.Change(t, created(t, ago), func(body, _ map[string]any) { delete(body, "id") })
	}
	first := without(0)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, first).Outcome)
	require.Equal(t, webhook.Duplicate, vendor.Send(t, h, first).Outcome)
	require.Equal(t, webhook.Handled, vendor.Send(t, h, without(time.Minute)).Outcome)
}

func TestHandler_NeverResponds4xxOnFailure(t *testing.T) {
	for _, err := range []error{errors.New("no"), webhook.RetryAfter(time.Minute, nil), webhook.Permanent(nil), context.Canceled} {
		h := handlerFor(t, webhook.Options{}, func(context.Context, *convosphere.MessageCreated) error { return err })
		status := vendor.Send(t, h, created(t, 0)).Status
		require.True(t, status == http.StatusOK || status >= 500, "%v: %d", err, status)
	}
}

func TestHandler_FailsLastAttemptWithoutDeadLetter(t *testing.T) {
	h := handlerFor(t, webhook.Options{}, fail)
	sender := vendor.Sender(t, h)
	d := sender.Sample(convosphere.TypeMessageCreated)
	for range 6 {
		require.Equal(t, http.StatusInternalServerError, sender.Process(d).Status)
	}
}
