// Package alerts posts alerts about dead letters to Slack. Pass the function to an inbox's digest, and close the digest after
// the inbox has shut down:
//
//	post, err := alerts.Slack(os.Getenv("SLACK_WEBHOOK_URL"))
//	digest, err := inbox.NewDigest(post, nil)
//	box, err := sqliteinbox.Open("inbox.db", &sqliteinbox.Options{Policy: inbox.Policy{OnDeadLetter: digest.Add}})
//	...
//	err = errors.Join(server.Shutdown(ctx), hook.Shutdown(ctx), box.Shutdown(ctx), digest.Close(ctx), box.Close())
//
// Alerts contain the errors of your callbacks, so everyone in the channel can read them.
package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// escaper escapes the three characters that have a meaning in Slack's texts, for example in <!channel>. See
// https://docs.slack.dev/messaging/formatting-message-text.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Slack returns a function for [inbox.NewDigest] that posts alerts to an incoming webhook of Slack, or of a service that
// accepts the same JSON. See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
//
// The URL of the webhook is a secret, because anyone who has it can post. No error contains it.
func Slack(webhookURL string) (func(context.Context, inbox.Alert) error, error) {
	u, err := url.Parse(webhookURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("alerts: the URL of the Slack webhook must be an absolute URL with https or http")
	}
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the alert stays with Slack
	}
	return func(ctx context.Context, a inbox.Alert) error {
		message, err := json.Marshal(map[string]string{"text": escaper.Replace(a.String())})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, webhookURL, bytes.NewReader(message))
		if err != nil {
			return errors.New("alerts: cannot create a request with the URL of the Slack webhook")
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("alerts: cannot post to Slack: %w", withoutURL(err))
		}
		defer response.Body.Close()
		if response.StatusCode < 200 || response.StatusCode > 299 {
			// The body is left out, because the page of a proxy can contain the URL.
			return fmt.Errorf("alerts: Slack responded with status %d", response.StatusCode)
		}
		return nil
	}, nil
}

// withoutURL returns the cause of an error of net/http, whose text begins with the URL.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
