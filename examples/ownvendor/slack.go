package ownvendor

import (
	"context"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Slack describes the Events API of Slack. See https://docs.slack.dev/apis/events-api. It signs each attempt with a new time.
func Slack() vendors.Profile {
	return vendors.Profile{
		Name: "slack",
		Scheme: &signature.Scheme{
			Header:   "X-Slack-Signature",
			Versions: []signature.Version{{Prefix: "v0="}},
			Forms:    []signature.Form{{Name: "v0", Signs: "v0:{X-Slack-Request-Timestamp}:{body}"}},
			Fields:   []signature.Field{{Header: "X-Slack-Request-Timestamp", Grammar: signature.UnixTime, Required: true}},
		},
		Envelope:      vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"event_id"}, Time: []string{"event_time"}, Data: []string{"event"}},
		DedupKeys:     vendors.ByEventID,
		TimeField:     "X-Slack-Request-Timestamp",
		Window:        5 * time.Minute,
		RespondWithin: 3 * time.Second,
		RetryWindow:   6 * time.Minute, // at once, after 1 and after 5 minutes
		Attempts:      4,
		Events:        []vendors.EventType{eventCallback},
	}
}

// An EventCallback is what Slack calls the event's inner object. Its Kind says which event it is, such as app_mention.
type EventCallback struct {
	webhook.Event
	Kind    string `json:"type"`
	User    string `json:"user"`
	Channel string `json:"channel"`
	Text    string `json:"text"`
}

var eventCallback = webhook.NewEventType[EventCallback]("event_callback")

// NewSlack returns a handler for events.
func NewSlack(secret string, onEvent func(context.Context, *EventCallback) error, o *webhook.Options) (*webhook.Handler, error) {
	h, err := webhook.NewHandler(Slack(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", secret)}}, o)
	if err != nil {
		return nil, err
	}
	eventCallback.On(h, onEvent)
	return h, nil
}
