package sqliteinbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func TestLog_HasOneErrorPerDeadLetter(t *testing.T) {
	t.Parallel()
	failure := errors.New("the text of the callback's error")
	misfit := fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":7}`, time.Now().UTC().Format(time.RFC3339))
	for name, c := range map[string]struct {
		callback func() error
		body     []byte
		runs     int
	}{
		"attempts used up": {func() error { return failure }, inboxkit.MessageBody("a", 1), 3},
		"RetryAfter":       {func() error { return webhook.RetryAfter(time.Millisecond, failure) }, inboxkit.MessageBody("a", 1), 3},
		"panics":           {func() error { panic(failure) }, inboxkit.MessageBody("a", 1), 3},
		"permanent":        {func() error { return webhook.Permanent(failure) }, inboxkit.MessageBody("a", 1), 1},
		"undecodable":      {nil, misfit, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logtest.LogBuffer
			dead := make(chan inbox.Entry, 1)
			box := openBox(t, pathOf(t), sqliteinbox.Options{Policy: inbox.Policy{
				MaxAttempts: 3, Logger: log.Text(), OnDeadLetter: func(_ context.Context, e inbox.Entry) { dead <- e },
			}})
			var mu sync.Mutex
			requests, runs := 0, 0
			hook, err := workflux.NewHandler("a secret", &webhook.Options{
				Inbox: box, Logger: log.Text(), StoreTimeout: time.Minute, // a busy machine must not add an attempt
				Observer: func(_ context.Context, o webhook.Observation) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case o.Outcome == webhook.Unavailable: // the machine was too busy, and it came again
					case o.FromInbox:
						runs++
					default:
						requests++
					}
				},
			})
			require.NoError(t, err)
			hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return c.callback() })
			sender := workfluxtest.NewSender(t, hook, "a secret")
			inboxkit.Send(http.StatusOK, func() webhooktest.Response { return sender.Send(sender.Raw(c.body)) }).WantOK()
			stop := inboxkit.Run(t, box, hook)
			<-dead
			stop()
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, []int{1, c.runs}, []int{requests, runs})
			count := func(level string) int { // without deliveries that a busy machine did not store in time
				return log.Count(level) - log.Count(level, "outcome=unavailable")
			}
			require.Equal(t, 1, count("level=ERROR"), log.String())
			require.Equal(t, 1, log.Count("level=ERROR", "a delivery has become a dead letter", fmt.Sprint("attempts=", c.runs)), log.String())
			require.Equal(t, c.runs, count("level=WARN")-log.Count("level=WARN", "sqliteinbox: the file system"), log.String())
		})
	}
}

func TestLog_HealthyServiceIsSilentAtWarn(t *testing.T) {
	t.Parallel()
	for range 10 {
		if servesSilently(t) {
			return
		}
	}
	t.Fatal("the machine is too slow for this test: in ten tries, a delivery was not stored in time")
}

// servesSilently checks the log of a service that handles deliveries. It returns false if the machine was too busy to store one
// in time, which the log must report.
func servesSilently(t *testing.T) bool {
	t.Helper()
	const deliveries = 50
	var log logtest.LogBuffer
	logger := log.JSON(slog.LevelDebug)
	box, err := sqliteinbox.Open(pathOf(t), &sqliteinbox.Options{Policy: inbox.Policy{Logger: logger}})
	require.NoError(t, err)
	hook, err := workflux.NewHandler("a secret", &webhook.Options{Inbox: box, Logger: logger, StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	ran := make(chan error, 1)
	go func() { ran <- box.Run(context.Background(), hook) }()
	sender := workfluxtest.NewSender(t, hook, "a secret")
	inTime := true
	for i := range deliveries {
		for _, response := range sender.SendTwice(sender.Raw(inboxkit.MessageBody(fmt.Sprint(i), 100))) {
			inTime = inTime && (response.Status == http.StatusOK || response.Took < inboxkit.StoreTimeout-time.Second)
			if inTime {
				response.WantOK()
			}
		}
	}
	kit.Eventually(t, func() bool { return !inTime || statsOf(t, box).Done == deliveries }, &log)
	box.PurgeOnce(t.Context())
	require.NoError(t, errors.Join(hook.Shutdown(t.Context()), box.Shutdown(t.Context()), <-ran, box.Close()))
	if !inTime || log.Count(`"level":"WARN"`, `"outcome":"unavailable"`) > 0 {
		return false
	}

	require.GreaterOrEqual(t, log.Count(`"level":"DEBUG"`), 3*deliveries, "each request and each run has a line")
	require.Equal(t, 1, log.Count(`"level":"INFO"`, "inbox: drained"))
	require.Zero(t, log.Count(`"level":"ERROR"`), log.String())
	volatile := log.Count(`"level":"WARN"`, "sqliteinbox: the file system") // of the test's folder
	require.Equal(t, volatile, log.Count(`"level":"WARN"`), log.String())
	return true
}
