package engine_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// A handler calls a function in Redeliver.
type handler struct {
	vendor, endpoint string
	redeliver        func(ctx context.Context, d *webhook.Delivery) webhook.Result
}

func (h *handler) Vendor() string      { return h.vendor }
func (h *handler) Endpoint() string    { return h.endpoint }
func (h *handler) Handles(string) bool { return true }

func (h *handler) Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result {
	return h.redeliver(ctx, d)
}

// acme returns a handler for acme/default.
func acme(redeliver func(ctx context.Context, d *webhook.Delivery) webhook.Result) *handler {
	return &handler{"acme", "default", redeliver}
}

// returns returns a Redeliver with that result.
func returns(result webhook.Result) func(context.Context, *webhook.Delivery) webhook.Result {
	return func(context.Context, *webhook.Delivery) webhook.Result { return result }
}

var handled = returns(webhook.Result{Outcome: webhook.Handled})

// takes returns a Redeliver that takes d, or until it is canceled.
func takes(d time.Duration) func(context.Context, *webhook.Delivery) webhook.Result {
	return func(ctx context.Context, _ *webhook.Delivery) webhook.Result {
		select {
		case <-time.After(d):
			return webhook.Result{Outcome: webhook.Handled}
		case <-ctx.Done():
			return webhook.Result{Outcome: webhook.Failed, Err: ctx.Err()}
		}
	}
}

// ignoresCancel returns a Redeliver that takes d, even if it is canceled.
func ignoresCancel(d time.Duration) func(context.Context, *webhook.Delivery) webhook.Result {
	return func(context.Context, *webhook.Delivery) webhook.Result {
		time.Sleep(d)
		return webhook.Result{Outcome: webhook.Handled}
	}
}

func delivery(id string) *webhook.Delivery {
	return &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: id}
}

// A logged is a log in JSON.
type logged struct{ logtest.LogBuffer }

// lines returns the lines of a level.
func (l *logged) lines(t *testing.T, level slog.Level) (lines []map[string]any) {
	t.Helper()
	for _, line := range l.Lines() {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		if fields["level"] == level.String() {
			lines = append(lines, fields)
		}
	}
	return lines
}

// newDispatcher returns a dispatcher and its log. Unless p sets another, the backoff is a minute for each failure.
func newDispatcher(t *testing.T, p inbox.Policy, handlers ...inbox.Handler) (*engine.Dispatcher, *logged) {
	t.Helper()
	log := new(logged)
	p.Logger = log.JSON(slog.LevelInfo)
	if p.Backoff == nil {
		p.Backoff = func(n int) time.Duration { return time.Duration(n) * time.Minute }
	}
	p, err := engine.WithDefaults(p)
	require.NoError(t, err)
	d, err := engine.NewDispatcher(t.Context(), p, handlers...)
	require.NoError(t, err)
	return d, log
}

// begin reserves a slot for a delivery and runs its callback. done gets the decision.
func begin(t *testing.T, d *engine.Dispatcher, given *webhook.Delivery, done func(engine.Decision)) {
	t.Helper()
	require.Equal(t, 1, d.Reserve(given.Vendor, given.Endpoint, 1))
	d.Go(given, 1, done)
}

func nothing(engine.Decision) {}
