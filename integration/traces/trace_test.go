// Package traces_test follows a delivery through an inbox with OpenTelemetry.
package traces_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const (
	secret  = "a-secret-of-workflux-in-a-test"
	envPath = "TRACES_TEST_INBOX"
)

func TestMain(m *testing.M) { kit.Main(m, 0, map[string]func() error{"worker": worker}) }

// A site is a handler with an inbox and telemetry.
type site struct {
	spans     *tracetest.InMemoryExporter
	telemetry *otelhooks.Telemetry
	box       *sqliteinbox.Inbox
	hook      *workflux.Handler
}

func newSite(path string, callback func(context.Context, *workflux.UserMessage) error) (*site, error) {
	s := &site{spans: tracetest.NewInMemoryExporter()}
	var err error
	s.telemetry, err = otelhooks.New(&otelhooks.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))})
	if err != nil {
		return nil, err
	}
	logger := slog.New(slog.DiscardHandler)
	s.box, err = sqliteinbox.Open(path, &sqliteinbox.Options{
		Policy: inbox.Policy{Logger: logger, Backoff: func(int) time.Duration { return time.Millisecond }},
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = workflux.NewHandler(secret, s.telemetry.Options(&webhook.Options{Inbox: s.box, Logger: logger, StoreTimeout: inboxkit.StoreTimeout}))
	if err != nil {
		return nil, errors.Join(err, s.box.Close())
	}
	s.hook.OnUserMessage(callback)
	return s, nil
}

// worker is a process that runs the stored delivery. It prints the trace and the parent of its span.
func worker() error {
	ran := make(chan trace.SpanContext, 1)
	s, err := newSite(os.Getenv(envPath), func(ctx context.Context, _ *workflux.UserMessage) error {
		ran <- trace.SpanContextFromContext(ctx)
		return nil
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.box.Run(ctx, s.hook) }()
	<-ran
	cancel()
	if err := errors.Join(<-ended, s.box.Close()); err != nil {
		return err
	}
	span := s.spans.GetSpans()[0]
	fmt.Println(span.SpanContext.TraceID(), span.Parent.SpanID(), span.SpanKind)
	return nil
}

// A delivery that fails twice and succeeds in another process is one trace.
func TestTrace_ContinuesInAnotherProcess(t *testing.T) {
	t.Parallel()
	var path string
	var s *site
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	response := inboxkit.Send(http.StatusOK, func() webhooktest.Response { // each attempt to a new site, because an attempt records a span
		path = filepath.Join(t.TempDir(), "inbox.db")
		var err error
		s, err = newSite(path, func(context.Context, *workflux.UserMessage) error {
			if runs++; runs == 2 {
				cancel() // before a third run
			}
			return errors.New("the callback failed")
		})
		require.NoError(t, err)
		box := s.box
		t.Cleanup(func() { require.NoError(t, box.Close()) })
		sender := workfluxtest.NewSender(t, s.telemetry.Handler(s.hook), secret)
		return sender.Send(sender.Event(&workflux.UserMessage{}))
	})
	require.Equal(t, http.StatusOK, response.Status)
	require.NoError(t, s.box.Run(ctx, s.hook))
	require.NoError(t, s.box.Close())

	spans := s.spans.GetSpans()
	require.Len(t, spans, 3)
	request := spans[0]
	require.Equal(t, "workflux delivery", request.Name)
	for _, run := range spans[1:] {
		require.Equal(t, "workflux callback", run.Name)
		require.Equal(t, request.SpanContext.TraceID(), run.SpanContext.TraceID())
		require.Equal(t, request.SpanContext.SpanID(), run.Parent.SpanID())
		require.Equal(t, trace.SpanKindConsumer, run.SpanKind)
	}
	other := kit.StartRole(t, "worker", envPath+"="+path)
	require.Equal(t, []string{request.SpanContext.TraceID().String(), request.SpanContext.SpanID().String(), "consumer"},
		strings.Fields(other.Line(t)))
}
