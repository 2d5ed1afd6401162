package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

type examination struct {
	Vendor string `json:"vendor"`
	URL    string `json:"url"`
	Checks []struct {
		Check  string `json:"check"`
		Result string `json:"result"`
		Found  string `json:"found"`
		Fix    string `json:"fix"`
	} `json:"checks"`
}

// results returns the results by the names of their checks.
func (e *examination) results() map[string]string {
	by := make(map[string]string)
	for _, c := range e.Checks {
		by[c.Check] = c.Result
	}
	return by
}

// healthy runs doctor until it finds no problem, because a busy machine may respond too late for the vendor.
func healthy(t *testing.T, args ...string) (r result) {
	t.Helper()
	for range 5 {
		if r = run(t, append([]string{"doctor"}, args...)...); r.code == 0 {
			break
		}
	}
	return r.is(t, 0)
}

func TestDoctor_SucceedsForHealthyService(t *testing.T) {
	for _, vendor := range allvendors.Names() {
		s := newService(t, vendor)
		r := healthy(t, vendor, "--url", s.URL+"/hooks")
		require.Regexp(t, `(?m)^ok       test-event          The endpoint accepts `, r.out)
		require.Regexp(t, `(?m)^ok       forged-event        `, r.out)
		require.Regexp(t, `(?m)^skipped  inbox               --from is not set\.$`, r.out)
		require.Empty(t, r.err)
		require.Empty(t, s.seen(), "no callback may run")

		e := decode[examination](t, healthy(t, vendor, "--url", s.URL+"/hooks", "--json").out)
		require.Equal(t, vendor, e.Vendor)
		require.Equal(t, s.URL+"/hooks", e.URL)
		require.Len(t, e.Checks, strings.Count(r.out, "\n"))
	}
}

func TestDoctor_ExitsWith1OnProblem(t *testing.T) {
	s := newService(t, "workflux")
	env := map[string]string{"WORKFLUX_WEBHOOK_SECRET": "your_secret_here"}
	var r result
	for range 5 { // a busy machine may respond too late for the vendor, which is one more problem
		r = finish(t, aihooks(t, env, "doctor", "workflux", "--url", s.URL)).is(t, 1)
		if strings.Contains(r.err, "2 of 22") {
			break
		}
	}
	require.Regexp(t, `(?m)^problem  secret              The secret in WORKFLUX_WEBHOOK_SECRET is a placeholder\. Copy the secret`, r.out)
	require.Regexp(t, `(?m)^problem  test-event          The endpoint responds 401`, r.out)
	require.Contains(t, r.err, "2 of 22 checks found a problem")
	require.NotContains(t, r.out, "your_secret_here")

	r = run(t, "doctor", "workflux", "--url", down(t), "--json").is(t, 1)
	e := decode[examination](t, r.out)
	require.Equal(t, "problem", e.results()["connection"])
	require.Equal(t, "skipped", e.results()["endpoint"])
}

func TestDoctor_EndsWithinTimeout(t *testing.T) {
	for timeout := 500 * time.Millisecond; timeout < 30*time.Second; timeout *= 2 { // the vendor waits for 30 s
		url, asked := hanging(t)
		r := run(t, "doctor", "emberqa", "--url", url, "--timeout", timeout.String()).is(t, 1)
		if len(asked) == 0 {
			continue // a busy machine needs longer until the request
		}
		require.Regexp(t, `(?m)^problem  endpoint            The endpoint does not respond: `, r.out)
		require.Contains(t, r.out, "There was no time left.")
		return
	}
	require.Fail(t, "doctor sent no request")
}

func TestDoctor_StopsOnInterrupt(t *testing.T) {
	url, asked := hanging(t)
	j := begin(t, aihooks(t, secrets(), "doctor", "emberqa", "--url", url)) // the vendor waits for 30 s
	<-asked
	require.NoError(t, sendSignal(j.cmd, os.Interrupt))
	require.Contains(t, line(t, j.err, "interrupted"), "before all checks have run")
	require.Equal(t, 130, j.wait())
}

func TestDoctor_HidesTokenInURL(t *testing.T) {
	s := newService(t, "emberqa")
	for _, address := range []string{s.URL + "/hooks/" + secret, s.URL + "/hooks?token=" + secret} {
		for _, more := range [][]string{nil, {"--json"}} {
			healthy(t, append([]string{"emberqa", "--url", address}, more...)...) // run requires that no output has the secret
		}
	}
}

func TestDoctor_LeavesToProxyWhatProxyDoes(t *testing.T) {
	env := secrets()
	env["HTTP_PROXY"] = down(t)
	r := finish(t, aihooks(t, env, "doctor", "workflux", "--url", "http://hooks.test/hooks")).is(t, 1)
	require.Equal(t, 3, strings.Count(r.out, "so a proxy connects to the endpoint"))
	require.Regexp(t, `(?m)^problem  endpoint            The endpoint does not respond: proxyconnect|refused`, r.out)
}

func TestDoctor_ChecksInbox(t *testing.T) {
	w := newInboxService(t, 2)
	s := newService(t, "workflux")
	r := healthy(t, "workflux", "--url", s.URL, "--from", w.path)
	require.Regexp(t, `(?m)^ok       inbox               The inbox can be opened and read\.$`, r.out)
	require.Regexp(t, `(?m)^warning  inbox-dead-letters  The inbox has 2 dead letters\. .*aihooks inbox retry`, r.out)
	require.Regexp(t, `(?m)^ok       inbox-deferred      `, r.out)
	require.Regexp(t, `(?m)^ok       inbox-oldest        No entry is due\.$`, r.out)
	require.Regexp(t, `(?m)^ok       inbox-settings      `, r.out)

	w.succeed.Store(true)
	run(t, "inbox", "retry", "--from", w.path, "--all", "--yes").is(t, 0)
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == 0 && s.Done == 2 })
	require.Regexp(t, `(?m)^ok       inbox-dead-letters  `, healthy(t, "workflux", "--url", s.URL, "--from", w.path).out)

	backup := filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, w.box.Backup(t.Context(), backup))
	require.Regexp(t, `(?m)^warning  inbox-settings      The journal mode of the file is delete`, healthy(t, "workflux", "--url", s.URL, "--from", backup).out)

	missing := filepath.Join(t.TempDir(), "missing.db")
	r = run(t, "doctor", "workflux", "--url", s.URL, "--from", missing).is(t, 1)
	require.Regexp(t, `(?m)^problem  inbox               The inbox cannot be opened: `, r.out)
	require.Regexp(t, `(?m)^skipped  inbox-settings      The check inbox must succeed first\.$`, r.out)
	require.NoFileExists(t, missing)
}

// An inbox gets nothing from a vendor that signs a time, unless --fresh is set, and at most one entry from EmberQA.
func TestDoctor_LeavesFewEntriesInInbox(t *testing.T) {
	for _, c := range []struct {
		vendor string
		flags  []string
		want   []int
	}{
		{"greenflash", nil, []int{0}},
		{"convosphere", nil, []int{0}},
		{"workflux", nil, []int{0}},
		{"emberqa", nil, []int{1}},
		{"convosphere", []string{"--fresh"}, []int{1}},
		{"workflux", []string{"--fresh"}, []int{1, 2}}, // one for both runs if they are in one second
	} {
		var box *sqliteinbox.Inbox
		for codes, tries := 1, 0; codes != 0; tries++ { // a busy machine may respond too late for the vendor
			require.Less(t, tries, 5, "%s %v", c.vendor, c.flags)
			var url string
			box, _, url = newStoringService(t, c.vendor)
			args := append([]string{"doctor", c.vendor, "--url", url}, c.flags...)
			codes = run(t, args...).code + run(t, args...).code
		}
		stats, err := box.Stats(t.Context())
		require.NoError(t, err)
		require.Contains(t, c.want, stats.Pending, "%s %v", c.vendor, c.flags)
		require.Equal(t, inbox.Counts{Pending: stats.Pending}, stats.Counts)
	}
}

// newStoringService returns a service with an inbox that no Run empties, the inbox's file, and the service's URL.
func newStoringService(t *testing.T, vendor string) (box *sqliteinbox.Inbox, path, url string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "inbox.db")
	box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	s := httptest.NewServer(storingHandler(t, vendor, box))
	t.Cleanup(s.Close)
	return box, path, s.URL
}

func storingHandler(t *testing.T, vendor string, box *sqliteinbox.Inbox) webhook.VendorHandler {
	t.Helper()
	v, err := allvendors.Find(vendor)
	require.NoError(t, err)
	h, err := v.NewHandler(secret, &webhook.Options{Inbox: box, Logger: slog.New(slog.DiscardHandler), StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	h.OnEvent(func(context.Context, webhook.AnyEvent) error { return nil })
	return h
}

func TestDoctor_ShowsItsDeferredEntry(t *testing.T) {
	box, path, url := newStoringService(t, "emberqa")
	healthy(t, "emberqa", "--url", url)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := storingHandler(t, "emberqa", box)
	go func() { ended <- box.Run(ctx, h) }()
	kit.Eventually(t, func() bool {
		stats, err := box.Stats(context.Background())
		return err == nil && stats.Deferred == 1
	})
	r := healthy(t, "emberqa", "--url", url, "--from", path)
	require.Regexp(t, `(?m)^warning  inbox-deferred      The inbox has 1 deferred`, r.out)
	run(t, "inbox", "discard", "--from", path, "--deferred", "--all", "--yes").is(t, 0)
	require.Regexp(t, `(?m)^ok       inbox-deferred      `, healthy(t, "workflux", "--url", newService(t, "workflux").URL, "--from", path).out)
	cancel()
	require.NoError(t, <-ended)
}
