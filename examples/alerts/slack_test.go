package alerts_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/examples/alerts"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// path is the secret part of a webhook's URL.
const path = "/services/T0SECRET/B0SECRET"

// slack starts a server in place of Slack.
func slack(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + path
}

// post sends one alert to a URL.
func post(t *testing.T, ctx context.Context, url string) error {
	t.Helper()
	send, err := alerts.Slack(url)
	require.NoError(t, err)
	return send(ctx, inbox.Alert{Count: 1})
}

var message = regexp.MustCompile(`^(\d+) dead letters? in \d+ (?:s|min), \d+ of workflux integration\.error: &lt;!channel&gt; R&amp;D: connection refused$`)

// Hundreds of deliveries fail in a real inbox, and Slack gets one message.
func TestSlack_GetsDeadLettersOfInbox(t *testing.T) {
	const deliveries = 300 // more than may wait for a call of Policy.OnDeadLetter
	quiet := slog.New(slog.DiscardHandler)
	texts := make(chan string, 10)
	url := slack(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var message map[string]string
		if err != nil || r.URL.Path != path || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &message) != nil || len(message) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		texts <- message["text"]
	})
	send, err := alerts.Slack(url)
	require.NoError(t, err)
	digest, err := inbox.NewDigest(send, &inbox.DigestOptions{Every: time.Hour, Logger: quiet})
	require.NoError(t, err)
	box, err := sqliteinbox.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqliteinbox.Options{Policy: inbox.Policy{OnDeadLetter: digest.Add, Logger: quiet}})
	require.NoError(t, err)
	hook, err := workflux.NewHandler("whsec", &webhook.Options{Inbox: box, Logger: quiet, StoreTimeout: inboxkit.StoreTimeout})
	require.NoError(t, err)
	hook.OnIntegrationError(func(context.Context, *workflux.IntegrationError) error {
		return webhook.Permanent(errors.New("<!channel> R&D:\nconnection refused"))
	})
	sender := workfluxtest.NewSender(t, hook, "whsec")
	for range deliveries {
		d := sender.Sample(workflux.TypeIntegrationError)
		inboxkit.Send(http.StatusOK, func() webhooktest.Response { return sender.Send(d) }).WantOK()
	}
	run := make(chan error, 1)
	go func() { run <- box.Run(context.Background(), hook) }()
	kit.Eventually(t, func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.DeadLettered == deliveries
	}, "all deliveries become dead letters")

	require.NoError(t, hook.Shutdown(t.Context()))
	require.NoError(t, box.Shutdown(t.Context()))
	require.NoError(t, digest.Close(t.Context()))
	require.NoError(t, box.Close())
	<-run
	close(texts)
	require.LessOrEqual(t, len(texts), 2, "one after a second, and one at the shutdown")
	total := 0
	for text := range texts {
		found := message.FindStringSubmatch(text)
		require.NotNil(t, found, "the text must be one line that cannot notify the channel: %q", text)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		total += n
	}
	require.Equal(t, deliveries, total, "Slack hears of each dead letter once")
}

// A webhook's URL is a secret, and errors are logged.
func TestSlack_ErrorsNeverContainURL(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		url  string
		want string
	}{
		"status": {t.Context(), slack(t, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no such page: "+r.URL.Path, http.StatusNotFound)
		}), "alerts: Slack responded with status 404"},
		"redirect": {t.Context(), slack(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"/login", http.StatusFound)
		}), "alerts: Slack responded with status 302"},
		"no server":     {t.Context(), "http://" + kit.FreeAddress(t) + path, "alerts: cannot post to Slack: dial tcp"},
		"ended context": {ended, slack(t, func(http.ResponseWriter, *http.Request) {}), "context canceled"},
		"no response":   {t.Context(), slack(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "alerts: cannot post to Slack: EOF"},
	} {
		err := post(t, c.ctx, c.url)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "SECRET", name)
	}
	for _, url := range []string{"", path, "ftp://localhost" + path, "https://" + path, "https://localhost:SECRET" + path, "https://localhost" + path + "%SECRET", "\x7fhttps://localhost" + path} {
		_, err := alerts.Slack(url)
		require.EqualError(t, err, "alerts: the URL of the Slack webhook must be an absolute URL with https or http")
	}
}

func TestSlack_StopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := slack(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then the server notices that the client disconnects
		cancel()
		<-r.Context().Done()
	})
	require.ErrorIs(t, post(t, ctx, url), context.Canceled, "a server that hangs does not delay a shutdown")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSlack_GivesUpAfter10s(t *testing.T) {
	transport := http.DefaultTransport
	defer func() { http.DefaultTransport = transport }()
	http.DefaultTransport = roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		require.ErrorIs(t, post(t, t.Context(), "https://localhost"+path), context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(begin), "a server that hangs does not hold up the digest until its own timeout")
	})
}
