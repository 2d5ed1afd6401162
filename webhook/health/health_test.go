package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/health"
	"github.com/aihooks/aihooks-go/workflux"
)

func get(h http.Handler) (status int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

func TestLive_AlwaysResponds(t *testing.T) {
	status, body := get(health.Live())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, `{"live":true}`, body)
}

// No text of an error is in the response, because it may have an address or a password.
func TestReady_NamesProblems(t *testing.T) {
	for problem, c := range map[string]struct {
		err    error
		status int
	}{
		"shutting_down": {webhook.ErrShutdown, 503},
		"inbox_full":    {fmt.Errorf("postgres://user:secret@db: %w", webhook.ErrInboxFull), 503},
		"store_full":    {idempotency.ErrFull, 503},
		"timeout":       {context.DeadlineExceeded, 503},
		"unavailable":   {errors.New("postgres://user:secret@db refuses"), 503},
		"silent":        {webhook.ErrSilent, 200},
	} {
		t.Run(problem, func(t *testing.T) {
			log := new(logtest.LogBuffer)
			h := health.Ready(&health.Options{Logger: log.Text()},
				health.Check("works", func(context.Context) error { return nil }),
				health.Check("fails", func(context.Context) error { return c.err }))
			status, body := get(h)
			require.Equal(t, c.status, status)
			require.JSONEq(t, fmt.Sprintf(`{"ready":%t,"problems":[{"check":"fails","problem":%q}]}`, status == 200, problem), body)
			require.Equal(t, 1, log.Count("level=WARN", "check=fails", "problem="+problem, c.err.Error()), log)
		})
	}
}

func TestReady_ReportsPanic(t *testing.T) {
	h := health.Ready(&health.Options{Logger: slog.New(slog.DiscardHandler)}, health.Check("panics", func(context.Context) error { panic("on purpose") }))
	_, body := get(h)
	require.Contains(t, body, `"problem":"unavailable"`)
}

// Any number of probes costs one check a second.
func TestReady_ChecksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int64
		h := health.Ready(nil, health.Check("slow", func(context.Context) error {
			checks.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil
		}))
		var probes sync.WaitGroup
		for range 50 {
			probes.Go(func() {
				status, _ := get(h)
				require.Equal(t, http.StatusOK, status)
			})
		}
		probes.Wait()
		require.EqualValues(t, 1, checks.Load())
		time.Sleep(time.Second)
		get(h)
		require.EqualValues(t, 2, checks.Load())
	})
}

// A check that hangs delays the response by the timeout, and is not started again meanwhile.
func TestReady_BoundsCheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logtest.LogBuffer)
		var checks atomic.Int64
		returns := make(chan struct{})
		h := health.Ready(&health.Options{Timeout: 300 * time.Millisecond, Logger: log.Text()}, health.Check("hangs", func(context.Context) error {
			checks.Add(1)
			<-returns
			return nil
		}))
		for range 3 {
			began := time.Now()
			status, body := get(h)
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, body, `"problem":"timeout"`)
			require.LessOrEqual(t, time.Since(began), 300*time.Millisecond)
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, checks.Load())
		close(returns)
		synctest.Wait()
		status, _ := get(h)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, 1, log.Count("level=WARN"), log)
		require.Equal(t, 1, log.Count("level=INFO", "ready again", "check=hangs"), log)
	})
}

func TestReady_NamesHandlersAndStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1})
		require.NoError(t, err)
		hook, err := workflux.NewHandler("a-secret-of-workflux", &webhook.Options{Store: store})
		require.NoError(t, err)
		h := health.Ready(&health.Options{Logger: slog.New(slog.DiscardHandler)}, hook, store)
		status, body := get(h)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, `{"ready":true}`, body)

		_, err = store.Claim(t.Context(), "the only key", idempotency.NewToken(), time.Minute)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, body = get(h)
		require.Equal(t, 2, strings.Count(body, "store_full"), body)
		require.Contains(t, body, `"check":"workflux/default"`)
		require.Contains(t, body, `"check":"*idempotency.Memory"`)

		require.NoError(t, hook.Shutdown(t.Context()))
		time.Sleep(time.Second)
		_, body = get(h)
		require.Contains(t, body, `{"check":"workflux/default","problem":"shutting_down"}`)
	})
}

type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (panickingHandler) Handle(context.Context, slog.Record) error { panic("on purpose") }

func TestReady_SurvivesLoggerThatPanics(t *testing.T) {
	logger := slog.New(panickingHandler{slog.DiscardHandler})
	h := health.Ready(&health.Options{Logger: logger}, health.Check("fails", func(context.Context) error { return errors.New("failed") }))
	for range 2 {
		status, _ := get(h)
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
}
