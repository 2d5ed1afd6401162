//go:build unix

// Package monitoring_test runs docs/monitoring on a private Prometheus that scrapes examples/receiver.
package monitoring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const (
	oldSecret = "an-old-secret-in-a-test"
	secret    = "a-new-secret-in-a-test"
	token     = "a-token-of-enough-length"
)

var docs = filepath.Join("..", "..", "docs", "monitoring")

// byPromtool are the alerts that a short run cannot cause, with the reason. testdata/alerts_test.yaml has them.
var byPromtool = map[string]string{
	"AihooksAttemptsRunningOut": "ten attempts take hours",
	"AihooksInboxBehind":        "a delivery must have been due for 10 minutes",
	"AihooksDeliveryDropped":    "WorkFlux's five attempts take at least 4 minutes, or the callback must return Permanent",
}

func TestRules_PassPromtool(t *testing.T) {
	t.Parallel()
	promtool := func(args ...string) {
		out, err := exec.Command("promtool", args...).CombinedOutput()
		require.NoError(t, err, "%s (on Debian: apt-get install prometheus)", out)
	}
	promtool("check", "rules", "--lint-fatal", filepath.Join(docs, "alerts.yaml"))
	scenarios := filepath.Join("testdata", "alerts_test.yaml")
	promtool("test", "rules", scenarios, filepath.Join("testdata", "days_test.yaml"))
	text, err := os.ReadFile(scenarios)
	require.NoError(t, err)
	for alert := range byPromtool {
		require.Regexp(t, `ALERTS\{alertname="`+alert+`",alertstate="firing"\}`, string(text))
	}
}

// Each alert fires under its condition, and none for a healthy receiver. Each expression has a value.
func TestMonitoring_CoversRealRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(docs, "alerts.yaml"))
	require.NoError(t, err)
	run := startRun(t, regexp.MustCompile(`(?m)^( +for:) .+$`).ReplaceAllString(string(text), "$1 0s"))

	rules := run.rules(t)
	require.Greater(t, len(rules), 10)
	missing := make(map[string]bool)
	for _, r := range rules {
		require.Equal(t, "alerting", r.Type)
		missing[r.Name] = true
	}
	for alert, reason := range byPromtool {
		require.True(t, missing[alert], "%s: %s", alert, reason)
		delete(missing, alert)
	}
	fired := make(map[string]alert)
	require.Eventually(t, func() bool {
		run.cause(missing)
		for _, a := range run.firing() {
			fired[a.Labels["job"]+" "+a.Labels["alertname"]] = a
			delete(missing, a.Labels["alertname"])
		}
		return len(missing) == 0
	}, kit.Patience, 500*time.Millisecond, "alerts that do not fire: %v", missing)
	for name, a := range fired {
		t.Logf("%s: %s", name, a.Annotations["summary"])
		require.NotEqual(t, "healthy", a.Labels["job"], name)
		require.NotContains(t, a.Annotations["summary"]+a.Annotations["description"], "<no value>", name)
	}
	run.requireValue(t, `aihooks_deliveries_total{job="healthy",aihooks_outcome="handled"} > 0`)
	run.requireValue(t, `aihooks_deliveries_total{job="healthy",aihooks_outcome="duplicate"} > 0`)
	run.requireValue(t, `aihooks_deliveries_total{job="healthy",aihooks_outcome="unauthenticated"} > 3`)

	threshold := regexp.MustCompile(` [<>] [0-9.]+$`)
	for _, r := range run.rules(t) {
		require.Empty(t, r.LastError, r.Name)
		for _, name := range []string{"summary", "description"} {
			require.NotEmpty(t, r.Annotations[name], r.Name)
		}
		require.Contains(t, r.Annotations["description"], "/docs/production.md#", r.Name)
		require.NotEmpty(t, r.Labels["severity"], r.Name)
		if byPromtool[r.Name] != "" && r.Name != "AihooksDeliveryDropped" { // its counter does not exist
			run.requireValue(t, threshold.ReplaceAllString(r.Query, ""))
		}
	}
	requireDashboard(t, run)
}

// requireDashboard requires that each query of the dashboard has a value.
func requireDashboard(t *testing.T, run *run) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, "dashboard.json"))
	require.NoError(t, err)
	type source struct{ Type, UID string }
	var dashboard struct {
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Query string }
		}
		Panels []struct {
			ID         int
			Title      string
			Datasource source
			Targets    []struct {
				Datasource source
				Expr       string
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	require.Len(t, dashboard.Templating.List, 1)
	variable := dashboard.Templating.List[0]
	require.Equal(t, "datasource prometheus", variable.Type+" "+variable.Query)
	want := source{"prometheus", "${" + variable.Name + "}"}
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		require.Equal(t, want, p.Datasource, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			require.Equal(t, want, target.Datasource, p.Title)
			run.requireValue(t, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
	require.GreaterOrEqual(t, len(ids), 8)
	if *picture != "" {
		var drawn struct{ Panels []panel }
		require.NoError(t, json.Unmarshal(text, &drawn))
		drawDashboard(t, run, drawn.Panels, *picture)
	}
}

// A run is a set of receivers, and the Prometheus that scrapes them.
type run struct {
	*prometheus
	t *testing.T

	healthy, signedOld, signedNew, tokens, direct, onRedis, busy *webhooktest.Sender

	duplicate, stored *webhooktest.Delivery // for the healthy receiver and for that with an inbox, each time

	flooded  time.Time
	sending  sync.WaitGroup
	stalling atomic.Int64 // connections
	client   http.Client
}

func startRun(t *testing.T, rules string) *run {
	t.Helper()
	binary, redis := build(t), redistest.New(t)
	// The healthy receiver needs no disk, which can be slow on a busy machine.
	healthy := startReceiver(t, binary, "WORKFLUX_WEBHOOK_SECRET="+secret, "SILENT_AFTER=1h")
	// Each callback fails once. The deliveries have two keys.
	stored := startReceiver(t, binary, "WORKFLUX_WEBHOOK_SECRET="+secret+","+oldSecret, "EMBERQA_WEBHOOK_TOKEN="+token,
		"INBOX=sqlite:"+filepath.Join(t.TempDir(), "inbox.db"), "FAIL_FIRST=1")
	direct := startReceiver(t, binary, "WORKFLUX_WEBHOOK_SECRET="+secret, "FAIL_FIRST=1000000")
	onRedis := startReceiver(t, binary, "WORKFLUX_WEBHOOK_SECRET="+secret, "STORE=redis://"+redis.Addr())
	busy := startReceiver(t, binary, "WORKFLUX_WEBHOOK_SECRET="+secret, "EMBERQA_WEBHOOK_TOKEN="+token, "HANDLER_DELAY=25s", "SILENT_AFTER=1s")

	to := func(r *receiver) *webhooktest.Sender {
		return workfluxtest.NewSenderTo(t, "http://"+r.webhooks+"/webhooks/workflux", secret)
	}
	r := &run{
		t: t, healthy: to(healthy), signedNew: to(stored), signedOld: to(stored).WithSecret(oldSecret),
		direct: to(direct), onRedis: to(onRedis), busy: to(busy),
		tokens: emberqatest.NewSenderTo(t, "http://"+stored.webhooks+"/webhooks/emberqa", token),
		client: http.Client{Transport: &http.Transport{}},
	}
	r.duplicate, r.stored = newDelivery(r.healthy), newDelivery(r.signedNew)
	kit.Eventually(t, func() bool { return r.onRedis.Send(newDelivery(r.onRedis)).Status == http.StatusOK })
	redis.Pause() // each call takes until Options.StoreTimeout
	t.Cleanup(func() {
		r.sending.Wait()
		r.client.CloseIdleConnections()
	})
	r.prometheus = startPrometheus(t, rules, map[string]string{
		"healthy": healthy.metrics, "stored": stored.metrics, "direct": direct.metrics, "redis": onRedis.metrics, "busy": busy.metrics,
	})
	return r
}

func newDelivery(s *webhooktest.Sender) *webhooktest.Delivery {
	return s.Sample(workflux.TypeConversationStarted)
}

// cause sends deliveries that cause the missing alerts.
func (r *run) cause(missing map[string]bool) {
	r.healthy.Send(newDelivery(r.healthy))
	r.healthy.Send(r.duplicate)
	r.healthy.SendForged(r.duplicate)

	r.signedNew.Send(r.stored)
	r.signedNew.Send(newDelivery(r.signedNew))
	r.signedOld.Send(newDelivery(r.signedOld))
	r.signedNew.SendLate(newDelivery(r.signedNew), 3*time.Hour) // longer than WorkFlux's window
	r.signedNew.Send(misfit(r.signedNew))                       // a dead letter at once
	r.tokens.SendForged(r.tokens.Sample("red_flag"))            // EmberQA sends nothing else
	r.direct.SendLate(newDelivery(r.direct), 50*time.Minute)    // can be WorkFlux's last attempt
	r.post(r.onRedis)

	if missing["AihooksCallbacksNearLimit"] || missing["AihooksLimitReached"] {
		n := 4
		if time.Since(r.flooded) > 20*time.Second {
			r.flooded, n = time.Now(), 260 // MaxRunning is 256
		}
		for range n {
			r.post(r.busy)
		}
	}
	if missing["AihooksReadingNearLimit"] && r.stalling.Load() == 0 {
		for range 23 { // bodies of 1 MiB: 24 would be three quarters of the budget
			r.stall(r.signedNew)
		}
	}
}

// misfit returns a delivery whose data does not fit the type of its event. Each one is different.
func misfit(s *webhooktest.Sender) *webhooktest.Delivery {
	now := time.Now()
	return s.Raw([]byte(fmt.Sprintf(`{"event":"conversation.started","timestamp":%q,"data":"text %d"}`, now.UTC().Format(time.RFC3339), now.UnixNano())))
}

// post sends a delivery, and does not wait for the response.
func (r *run) post(s *webhooktest.Sender) {
	request := s.Request(newDelivery(s)).WithContext(r.t.Context())
	r.sending.Go(func() {
		if response, err := r.client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
}

// stall sends the headers and all but the last kilobyte of a body of 1 MiB, and waits until the receiver gives up.
func (r *run) stall(s *webhooktest.Sender) {
	to := s.Request(newDelivery(s)).URL
	r.stalling.Add(1)
	r.sending.Go(func() {
		defer r.stalling.Add(-1)
		conn, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", to.Host)
		if err != nil {
			return
		}
		defer context.AfterFunc(r.t.Context(), func() { _ = conn.Close() })()
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Workflux-Signature: %064x\r\nContent-Length: %d\r\n\r\n%s",
			to.Path, to.Host, 0, 1<<20, strings.Repeat(" ", 1<<20-1<<10))
		_, _ = io.Copy(io.Discard, conn)
	})
}
