package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// An inboxService is a service with an inbox in this process. The tool opens the same file from other processes.
type inboxService struct {
	path    string
	box     *sqliteinbox.Inbox
	succeed atomic.Bool // callbacks succeed
}

const failure = "no such customer: \x1b[31mred\u202e"

func newInboxService(t *testing.T, deliveries int) *inboxService {
	t.Helper()
	w := &inboxService{path: filepath.Join(t.TempDir(), "inbox.db")}
	quiet := slog.New(slog.DiscardHandler)
	box, err := sqliteinbox.Open(w.path, &sqliteinbox.Options{Poll: 20 * time.Millisecond, Policy: inbox.Policy{
		MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }, Logger: quiet,
	}})
	require.NoError(t, err)
	w.box = box
	hook, err := workflux.NewHandler(secret, &webhook.Options{Inbox: box, Logger: quiet, StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	hook.OnEvent(func(context.Context, webhook.AnyEvent) error {
		if w.succeed.Load() {
			return nil
		}
		return errors.New(failure)
	})
	sender := workfluxtest.NewSender(t, hook, secret)
	for range deliveries {
		d := sender.Sample("user.message")
		inboxkit.Send(http.StatusOK, func() webhooktest.Response { return sender.Send(d) }).WantOK()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, hook) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, box.Close())
	})
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == deliveries })
	return w
}

func (w *inboxService) until(t *testing.T, is func(inbox.Counts) bool) {
	t.Helper()
	kit.Eventually(t, func() bool {
		stats, err := w.box.Stats(context.Background())
		return err == nil && is(stats.Counts)
	})
}

func (w *inboxService) dead(t *testing.T) []inbox.Entry {
	t.Helper()
	var all []inbox.Entry
	for text := range strings.Lines(run(t, "inbox", "list", "--from", w.path, "--json").is(t, 0).out) {
		all = append(all, decode[inbox.Entry](t, text))
	}
	return all
}

func TestInbox_ManagesDeadLettersOfRunningService(t *testing.T) {
	w := newInboxService(t, 4)
	r := run(t, "inbox", "list", "--from", w.path).is(t, 0)
	require.Regexp(t, `ID +ENDPOINT +TYPE +RECEIVED +RUNS +SINCE/DUE +LAST ERROR\n`, r.out)
	require.Contains(t, r.out, `workflux/default  user.message`)
	require.Contains(t, r.out, `no such customer: \x1b[31mred\u202e`, "escape sequences must be shown as text")
	dead := w.dead(t)
	require.Len(t, dead, 4)

	r = run(t, "inbox", "show", "--from", w.path, dead[0].ID).is(t, 0)
	require.Regexp(t, `state +dead_lettered\nvendor +workflux\n`, r.out)
	require.Equal(t, 2, strings.Count(r.out, "no such customer"))
	require.Contains(t, r.out, `  "event": "user.message"`)
	require.Nil(t, dead[0].Delivery.Body, "list must not print bodies")
	one := decode[inbox.Entry](t, run(t, "inbox", "show", "--from", w.path, dead[0].ID, "--json").is(t, 0).out)
	require.Contains(t, string(one.Delivery.Body), "user.message")
	require.Equal(t, string(one.Delivery.Body), run(t, "inbox", "show", "--from", w.path, dead[0].ID, "--body").is(t, 0).out)
	require.Equal(t, dead[0].Attempts, one.Attempts)
	require.Equal(t, dead[0].Since, one.Since)
	require.Equal(t, dead[0].Delivery.ReceivedAt, one.Delivery.ReceivedAt)

	require.Contains(t, run(t, "inbox", "discard", "--from", w.path, dead[0].ID).is(t, 0).out, "1 dead letter is discarded")
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == 3 && s.Done == 1 })
	require.Contains(t, run(t, "inbox", "show", "--from", w.path, dead[0].ID).is(t, 0).out, "The body has been deleted.")

	w.succeed.Store(true)
	run(t, "inbox", "retry", "--from", w.path, dead[1].ID).is(t, 0)
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == 2 && s.Done == 2 })
	require.Equal(t, map[string]int{"entries": 1}, decode[map[string]int](t, run(t, "inbox", "retry", "--from", w.path, dead[2].ID, "--rerun", "--json").is(t, 0).out))
	require.Equal(t, map[string]int{"entries": 1}, decode[map[string]int](t, run(t, "inbox", "retry", "--from", w.path, "--vendor", "workflux", "--since", "1h", "--yes", "--json").is(t, 0).out))
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == 0 && s.Done == 4 })
	r = run(t, "inbox", "list", "--from", w.path).is(t, 0)
	require.Empty(t, r.out)
	require.Contains(t, r.err, "no such entry is dead_lettered")
	require.Equal(t, 4, strings.Count(run(t, "inbox", "list", "--from", w.path, "--state", "done").is(t, 0).out, "workflux/default"))
	require.Contains(t, run(t, "inbox", "list", "--from", w.path, "--state", "done", "--limit", "3").is(t, 0).err, "only 3 entries are listed, and there may be more: raise --limit, or add --cursor ")

	stats := decode[inbox.Stats](t, run(t, "inbox", "stats", "--from", w.path, "--json").is(t, 0).out)
	require.Equal(t, 4, stats.Done)
	require.Regexp(t, `workflux/default +0 +0 +0 +0 +4\nall +0 +0 +0 +0 +4\n`, run(t, "inbox", "stats", "--from", w.path).is(t, 0).out)
}

func TestInbox_PausesAndRecordsChanges(t *testing.T) {
	w := newInboxService(t, 2)
	from := []string{"--from", w.path}
	inboxRun := func(args ...string) result { return run(t, append(append([]string{"inbox"}, args...), from...)...) }
	require.Contains(t, inboxRun("pauses").is(t, 0).err, "nothing is paused")
	require.Contains(t, inboxRun("audit").is(t, 0).err, "nothing was changed")
	require.Equal(t, "2 dead letters\n", inboxRun("retry", "--text", "NO SUCH customer", "--dry-run").is(t, 0).out)
	require.Contains(t, inboxRun("retry", "--text", "no such customer").is(t, 1).err, "nothing was changed, and 2 dead letters would be: confirm with y, or set --yes")
	inboxRun("retry", "--text", "no such customer", "--yes", "--reason", "the CRM is back").is(t, 0)
	w.until(t, func(s inbox.Counts) bool { return s.DeadLettered == 2 }) // it is not

	require.Contains(t, inboxRun("pause", "--vendor", "workflux", "--type", "user.message", "--by", "alice", "--reason", "the CRM moves").is(t, 0).out,
		"workflux user.message is paused: deliveries are stored, and do not run")
	require.Regexp(t, `^workflux user\.message is paused since .*, by alice: the CRM moves\n$`, inboxRun("pauses").is(t, 0).out)
	require.Contains(t, inboxRun("stats").is(t, 0).out, "is paused since")
	w.until(t, func(s inbox.Counts) bool { // once the service has noticed
		_, err := w.box.Retry(t.Context(), inbox.Filter{All: true})
		return err == nil && s.Deferred == 2
	})
	require.Contains(t, inboxRun("list", "--state", "deferred").is(t, 0).out, "user.message")
	w.succeed.Store(true)
	require.Contains(t, inboxRun("resume", "--vendor", "workflux").is(t, 1).err, "exactly this is not paused")
	inboxRun("resume", "--vendor", "workflux", "--type", "user.message").is(t, 0)
	w.until(t, func(s inbox.Counts) bool { return s.Done == 2 })

	audit := decode[[]inbox.Change](t, inboxRun("audit", "--json").is(t, 0).out)
	require.Equal(t, inbox.ActionResume, audit[0].Action)
	require.Regexp(t, `.+@.+`, audit[0].By, "the user and the machine")
	require.Equal(t, inbox.Filter{Text: "no such customer"}, audit[len(audit)-1].Filter)
	require.Equal(t, 2, audit[len(audit)-1].Entries)
	require.Equal(t, inbox.Actor{By: "alice", Reason: "the CRM moves"}, audit[len(audit)-2].Actor)
	require.Regexp(t, `retry +2 +text=no such customer +the CRM is back\n`, inboxRun("audit").is(t, 0).out)
}

func TestInbox_ReadsAddressFromEnvironment(t *testing.T) {
	w := newInboxService(t, 1)
	command := aihooks(t, map[string]string{"AIHOOKS_INBOX": "sqlite:" + w.path}, "inbox", "list", "--state", "all")
	out, err := command.Output()
	require.NoError(t, err)
	require.Regexp(t, `1 +dead_lettered +workflux/default`, string(out))
	r := run(t, "inbox", "list", "--from", "mysql://user:a-password@host/db").is(t, 1)
	require.Contains(t, r.err, "mysql:// is not an inbox")
	require.NotContains(t, r.err, "a-password")
}

func TestInbox_WatchesNewDeadLetters(t *testing.T) {
	w := newInboxService(t, 1)
	j := begin(t, aihooks(t, nil, "inbox", "watch", "--from", w.path, "--json"))
	line(t, j.err, "watching 1 dead letters")
	n, err := w.box.Retry(t.Context(), inbox.Filter{All: true}) // it fails again
	require.NoError(t, err)
	require.Equal(t, 1, n)
	again := decode[inbox.Entry](t, line(t, j.out, "user.message"))
	require.Len(t, again.Attempts, 4)
	require.Equal(t, 0, j.stop(os.Interrupt))
}

func TestInbox_NeedsConfirmationToDiscardMany(t *testing.T) {
	w := newInboxService(t, 3)
	r := run(t, "inbox", "discard", "--from", w.path, "--all").is(t, 1)
	require.Contains(t, r.err, "set --yes")
	require.Len(t, w.dead(t), 3)
	run(t, "inbox", "discard", "--from", w.path, "--vendor", "greenflash", "--yes").is(t, 0)
	require.Len(t, w.dead(t), 3)
	require.Contains(t, run(t, "inbox", "discard", "--from", w.path, "--all", "--yes").is(t, 0).out, "3 dead letters are discarded")
	require.Empty(t, w.dead(t))
}

func TestInbox_ReportsMissingEntry(t *testing.T) {
	w := newInboxService(t, 1)
	for _, command := range []string{"show", "retry", "discard"} {
		r := run(t, "inbox", command, "--from", w.path, "4711").is(t, 1)
		require.Contains(t, r.err, "there is no such entry", command)
		require.Empty(t, r.out)
	}
}

func TestInbox_RefusesOtherFilesAndCreatesNone(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.db")
	for _, args := range []string{"list --from F", "show 1 --from F", "retry 1 --from F", "discard 1 --from F", "stats --from F", "--web --from F"} {
		for file, says := range map[string]string{missing: "there is no inbox: ", writeFile(t, "not SQLite at all, but long enough"): "not a database", t.TempDir(): "there is no inbox: "} {
			r := run(t, append([]string{"inbox"}, strings.Fields(strings.ReplaceAll(args, "F", file))...)...)
			require.Equal(t, 1, r.code, "%s %s", args, r.err)
			require.Contains(t, r.err, says, args)
		}
	}
	require.NoFileExists(t, missing)
}

func TestPage_ShowsAndRetriesInboxEntries(t *testing.T) {
	w := newInboxService(t, 1)
	j := begin(t, aihooks(t, nil, "inbox", "--web", "--write", "--from", w.path, "--web-addr", "127.0.0.1:0"))
	v := openPage(t, j)
	items := v.items(t)
	require.Len(t, items, 1)
	require.Equal(t, "dead_lettered", items[0].Verdict)
	w.succeed.Store(true)
	require.Equal(t, 200, v.act(t, items[0].ID, "retry"))
	w.until(t, func(s inbox.Counts) bool { return s.Done == 1 })
	require.Equal(t, 0, j.stop(os.Interrupt))
	require.Contains(t, run(t, "inbox", "audit", "--json", "--from", w.path).is(t, 0).out, `"by"`, "the audit must name the user of the tool")
}

func TestPage_OnlyReadsInboxByDefault(t *testing.T) {
	w := newInboxService(t, 1)
	j := begin(t, aihooks(t, nil, "inbox", "--web", "--from", w.path, "--web-addr", "127.0.0.1:0"))
	v := openPage(t, j)
	items := v.items(t)
	require.Len(t, items, 1)
	require.Empty(t, items[0].Actions)
	require.Equal(t, 403, v.act(t, items[0].ID, "retry"))
	require.Equal(t, 0, j.stop(os.Interrupt))
}
