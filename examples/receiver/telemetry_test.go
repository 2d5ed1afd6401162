//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(text)
}

// The metrics equal what was sent.
func TestMetrics_EqualWhatWasSent(t *testing.T) {
	t.Parallel()
	var p *process
	var statuses []int
	// The metrics count each attempt, and a busy machine may store one too late. Another receiver then counts from zero.
	for tries := 0; !slices.Equal(statuses, []int{200, 200, 401, 401, 401}); tries++ {
		require.Less(t, tries, 20, "%v", statuses)
		for _, status := range statuses {
			require.Contains(t, []int{0, 200, 401, 503}, status)
		}
		p = start(t, "METRICS_ADDR=127.0.0.1:0", "WORKFLUX_WEBHOOK_SECRET=a-secret-of-workflux",
			"INBOX=sqlite:"+filepath.Join(t.TempDir(), "inbox.db"))
		good := workfluxtest.NewSenderTo(t, p.origin+"/webhooks/workflux", "a-secret-of-workflux")
		forger := workfluxtest.NewSenderTo(t, p.origin+"/webhooks/workflux", "another-secret")
		first := good.Sample(workflux.TypeConversationStarted)
		statuses = []int{good.Send(first).Status}
		if statuses[0] != http.StatusOK {
			continue
		}
		var line printed
		p.read(&line) // its callback has run
		for _, s := range []*webhooktest.Sender{good, forger, forger, forger} {
			statuses = append(statuses, s.Send(first).Status)
		}
	}
	for _, want := range []string{
		`aihooks_deliveries_total{aihooks_endpoint="default",aihooks_outcome="stored",aihooks_stage="request",aihooks_type="conversation.started",aihooks_vendor="workflux"} 1`,
		`aihooks_deliveries_total{aihooks_endpoint="default",aihooks_outcome="stored",aihooks_reason="stored_before",aihooks_stage="request",aihooks_type="conversation.started",aihooks_vendor="workflux"} 1`,
		`aihooks_deliveries_total{aihooks_endpoint="default",aihooks_outcome="unauthenticated",aihooks_reason="signature_mismatch",aihooks_stage="request",aihooks_vendor="workflux"} 3`,
		`aihooks_deliveries_total{aihooks_endpoint="default",aihooks_outcome="handled",aihooks_stage="inbox",aihooks_type="conversation.started",aihooks_vendor="workflux"} 1`,
		`aihooks_key_deliveries_total{aihooks_endpoint="default",aihooks_key="key-1",aihooks_vendor="workflux"} 2`,
		`aihooks_inbox_entries{aihooks_inbox="inbox",aihooks_state="done"} 1`,
		`aihooks_callback_duration_seconds_count{aihooks_endpoint="default",aihooks_type="conversation.started",aihooks_vendor="workflux"} 1`,
	} {
		require.Eventually(t, func() bool {
			status, body := get(t, p.probes+"/metrics")
			return status == http.StatusOK && strings.Contains(body, want+"\n")
		}, patience, 50*time.Millisecond, want)
	}
	require.Eventually(t, func() bool {
		status, _ := get(t, p.probes+"/readyz")
		return status == http.StatusOK
	}, patience, 50*time.Millisecond, "/readyz")
	status, _ := get(t, p.probes+"/livez")
	require.Equal(t, http.StatusOK, status)
	require.Zero(t, p.stop(), p.log.String())
}

// Traces are exported at the latest when the receiver stops.
func TestTraces_AreExported(t *testing.T) {
	t.Parallel()
	var exported atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			exported.Add(1)
		}
	}))
	defer collector.Close()
	var p *process
	code := -1
	for tries := 0; code != 0 && tries < 5; tries++ { // a busy machine may not export within the 2 s that the receiver waits
		exported.Store(0)
		p = start(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "WORKFLUX_WEBHOOK_SECRET=a-secret-of-workflux")
		good := workfluxtest.NewSenderTo(t, p.origin+"/webhooks/workflux", "a-secret-of-workflux")
		accepted(t, good, good.Sample(workflux.TypeConversationStarted))
		code = p.stop()
	}
	require.Zero(t, code, p.log.String())
	require.Positive(t, exported.Load())
}
