package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// A permission is a line of the list in the package documentation.
type permission struct{ verb, subject string }

func documented(t *testing.T) []permission {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "inbox", "jetstream", "doc.go"))
	require.NoError(t, err)
	return permissionsIn(t, string(text))
}

// permissionsIn returns the permissions that a text lists.
func permissionsIn(t *testing.T, text string) (list []permission) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^//\t(publish|subscribe) +(\S+)$`).FindAllStringSubmatch(text, -1) {
		list = append(list, permission{m[1], m[2]})
	}
	require.NotEmpty(t, list)
	return list
}

// forbiddenTimeouts are the timeouts of requests in tests of a missing permission. Such a test tries one after the other, until
// the error is that of the permission. The server never responds to a forbidden request, so the first timeout is short. A busy
// machine may need a longer one for the other requests.
var forbiddenTimeouts = []time.Duration{5 * time.Second, requestTimeout, requestTimeout, requestTimeout}

// limited starts a server with an admin, and a user with exactly these permissions and this timeout of requests. It returns
// their connections.
func limited(t *testing.T, list []permission, timeout time.Duration) (admin, user jetstream.JetStream) {
	t.Helper()
	allowed := map[string][]string{}
	for _, p := range list {
		allowed[p.verb] = append(allowed[p.verb], p.subject)
	}
	only := func(verb string) *server.SubjectPermission {
		if len(allowed[verb]) == 0 {
			return &server.SubjectPermission{Deny: []string{">"}}
		}
		return &server.SubjectPermission{Allow: allowed[verb]}
	}
	o := options(filepath.Join(t.TempDir(), "nats"))
	o.Users = []*server.User{
		{Username: "admin", Password: "admin"},
		{Username: "limited", Password: "limited", Permissions: &server.Permissions{Publish: only("publish"), Subscribe: only("subscribe")}},
	}
	s := startServer(t, o)
	connect := func(name string, timeout time.Duration) jetstream.JetStream {
		return dialWith(t, strings.Replace(s.ClientURL(), "nats://", "nats://"+name+":"+name+"@", 1), jetstream.WithDefaultTimeout(timeout))
	}
	return connect("admin", requestTimeout), connect("limited", timeout)
}

// leftovers creates what an earlier Run may leave: a pending and a deferred delivery, and an attempt record without a
// delivery.
func leftovers(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	box := open(t, js, jetstreaminbox.Options{})
	d := newTestHandler(t, box, succeed)
	waits := newDelivery("waits")
	waits.Type = "agent.response"
	_, err := box.Enqueue(t.Context(), waits)
	require.NoError(t, err)
	stop := inboxkit.Run(t, box, d)
	kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 1 })
	stop()
	_, err = box.Enqueue(t.Context(), newDelivery("pending"))
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "AIHOOKS.attempts.1-1", []byte(`{"seen":1}`))
	require.NoError(t, err)
}

// removeRecordSubject makes the deferred stream one of an older version, without the subject of records.
func removeRecordSubject(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEFERRED")
	require.NoError(t, err)
	c := s.CachedInfo().Config
	c.Subjects = slices.DeleteFunc(slices.Clone(c.Subjects), func(subject string) bool { return subject == "AIHOOKS.record.>" })
	require.Len(t, c.Subjects, 2)
	_, err = js.UpdateStream(t.Context(), c)
	require.NoError(t, err)
}

// useEverything uses all operations of an inbox with a user's connection. It stops at the first error. Its Run continues
// until done reports true.
func useEverything(t *testing.T, js jetstream.JetStream, logger *slog.Logger, done func() bool) error {
	t.Helper()
	box, err := jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{
		Store: memory(t), ServerSyncsAlways: true,
		Policy: inbox.Policy{Logger: logger, DrainTimeout: time.Second, Backoff: func(int) time.Duration { return time.Millisecond }},
	})
	if err != nil {
		return err
	}
	hook, err := inboxkit.NewWorkFlux(webhook.Options{Inbox: box, Logger: logger, StoreTimeout: inboxkit.StoreTimeout})
	if err != nil {
		return err
	}
	var calls kit.Counter
	hook.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error {
		switch n := calls.Add(d.ID); {
		case strings.HasPrefix(d.ID, "dead") && n == 1:
			return webhook.Permanent(errors.New("on purpose"))
		case d.ID == "retried" && n == 1:
			return errors.New("on purpose")
		}
		return nil
	})
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(running, hook) }()
	defer func() {
		stop()
		<-ended
	}()
	for _, id := range []string{"done", "retried", "dead 1", "dead 2"} {
		if _, err := box.Enqueue(t.Context(), newDelivery(id)); err != nil {
			return err
		}
	}
	ids := map[string]string{} // entry IDs by delivery IDs
	deadLetters := func() (int, error) {
		for e, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
			if err != nil {
				return 0, err
			}
			ids[e.Delivery.ID] = e.ID
		}
		return len(ids), nil
	}
	for ; !done(); time.Sleep(10 * time.Millisecond) {
		n, err := deadLetters()
		switch {
		case err != nil:
			return err
		case n == 2 && calls.Of("done") == 1 && calls.Of("retried") == 2 && calls.Of("waits") == 1 && calls.Of("pending") == 1:
		default:
			continue
		}
		break
	}
	if done() {
		return nil
	}
	if _, err := box.Retry(t.Context(), inbox.Filter{ID: ids["dead 1"]}); err != nil {
		return err
	}
	if _, err := box.Discard(t.Context(), inbox.Filter{ID: ids["dead 2"]}); err != nil {
		return err
	}
	if _, err := box.List(t.Context(), inbox.Query{}); err != nil {
		return err
	}
	if _, err := box.Stats(t.Context()); err != nil {
		return err
	}
	scope := inbox.Scope{Vendor: "none"}
	if err := box.Pause(t.Context(), scope); err != nil {
		return err
	}
	if err := box.Resume(t.Context(), scope); err != nil {
		return err
	}
	if _, err := box.Audit(t.Context()); err != nil {
		return err
	}
	kit.Eventually(t, done)
	return nil
}

func TestPermissions_SufficeAsDocumented(t *testing.T) {
	t.Parallel()
	t.Run("StreamsThere", func(t *testing.T) {
		t.Parallel()
		admin, user := limited(t, slices.DeleteFunc(documented(t), func(p permission) bool {
			return strings.Contains(p.subject, ".CREATE.AIHOOKS") && !strings.Contains(p.subject, "CONSUMER") || strings.Contains(p.subject, "STREAM.UPDATE")
		}), requestTimeout)
		leftovers(t, admin)
		log := new(logtest.LogBuffer)
		require.NoError(t, useEverything(t, user, log.Text(), func() bool {
			return empty(t, admin) && len(subjects(t, admin, "AIHOOKS_DEFERRED", "AIHOOKS.attempts.>")) == 0 &&
				len(subjects(t, admin, "AIHOOKS_DEFERRED", "AIHOOKS.deferred.>")) == 0 && messages(t, admin, "AIHOOKS_DEADLETTERS") == 0
		}), log)
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
	})
	t.Run("StreamsCreated", func(t *testing.T) {
		t.Parallel()
		_, user := limited(t, documented(t), requestTimeout)
		open(t, user, jetstreaminbox.Options{})
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
	})
	t.Run("StreamsOfOlderVersion", func(t *testing.T) {
		t.Parallel()
		admin, user := limited(t, documented(t), requestTimeout)
		open(t, admin, jetstreaminbox.Options{})
		removeRecordSubject(t, admin)
		kit.Eventually(t, func() bool { // a busy machine may not add the subject in time
			return open(t, user, jetstreaminbox.Options{}).Pause(t.Context(), inbox.Scope{Vendor: "acme"}) == nil
		})
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
	})
	t.Run("ReceivesOnly", func(t *testing.T) {
		t.Parallel()
		admin, user := limited(t, []permission{
			{"publish", "$JS.API.STREAM.INFO.AIHOOKS"}, {"publish", "$JS.API.STREAM.INFO.AIHOOKS_DEFERRED"},
			{"publish", "$JS.API.STREAM.INFO.AIHOOKS_DEADLETTERS"}, {"publish", "AIHOOKS.in.>"}, {"subscribe", "_INBOX.>"},
		}, requestTimeout)
		runs := open(t, admin, jetstreaminbox.Options{})
		d := newTestHandler(t, runs, succeed)
		inboxkit.Run(t, runs, d)
		receives := newTestHandler(t, open(t, user, jetstreaminbox.Options{}), succeed)
		receives.MustRespond(t, 200, inboxkit.MessageBody("a", 1))
		kit.Eventually(t, func() bool { return d.Calls.Of("a") == 1 })
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
	})
}

// Each permission is needed, and an error names the missing one.
func TestPermissions_ErrorsNameTheMissing(t *testing.T) {
	t.Parallel()
	all := documented(t)
	for i, missing := range all {
		t.Run(missing.subject, func(t *testing.T) {
			t.Parallel()
			names := regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to [\\]*"` + regexp.QuoteMeta(strings.TrimRight(missing.subject, ">*")))
			var text string
			for _, timeout := range forbiddenTimeouts {
				admin, user := limited(t, slices.Delete(slices.Clone(all), i, i+1), timeout)
				if !strings.Contains(missing.subject, "STREAM.CREATE") {
					leftovers(t, admin)
				}
				if strings.Contains(missing.subject, "STREAM.UPDATE") {
					removeRecordSubject(t, admin)
				}
				log := new(logtest.LogBuffer)
				err := useEverything(t, user, log.Text(), func() bool { return names.MatchString(log.String()) })
				if text = fmt.Sprint(log, err); names.MatchString(text) {
					break
				}
			}
			require.Regexp(t, names, text)
		})
	}
}

func TestNew_WithoutJetStream(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(o *server.Options){
		"Server":  func(o *server.Options) { o.JetStream = false },
		"Account": func(o *server.Options) { o.Accounts = []*server.Account{server.NewAccount("PLAIN")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(filepath.Join(t.TempDir(), "nats"))
			change(o)
			if len(o.Accounts) > 0 {
				o.Users = []*server.User{{Username: "a", Password: "a", Account: o.Accounts[0]}}
			}
			s := startServer(t, o)
			js := dial(t, strings.Replace(s.ClientURL(), "nats://", "nats://a:a@", 1))
			_, err := jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Store: memory(t), ServerSyncsAlways: true})
			require.ErrorContains(t, err, "JetStream")
			require.ErrorContains(t, err, "enabled")
			t.Log(err)
		})
	}
}
