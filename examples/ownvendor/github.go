package ownvendor

import (
	"context"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// GitHub describes GitHub. See https://docs.github.com/en/webhooks. It signs only the body, so a delivery is recognized by its
// body, and there is no time to check.
func GitHub() vendors.Profile {
	return vendors.Profile{
		Name: "github",
		Scheme: &signature.Scheme{
			Header:   "X-Hub-Signature-256",
			Versions: []signature.Version{{Prefix: "sha256="}},
			Forms:    []signature.Form{{Name: "body"}},
		},
		TypeHeader:    "X-Github-Event",
		DedupKeys:     vendors.ByContent,
		Headers:       []string{"X-Github-Event", "X-Github-Delivery"},
		RespondWithin: 10 * time.Second,
		Attempts:      1, // GitHub never tries again by itself
		Events:        []vendors.EventType{push},
	}
}

// A Push is GitHub's push event, as far as we need it.
type Push struct {
	webhook.Event
	Ref        string `json:"ref"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

var push = webhook.NewEventType[Push]("push")

// NewGitHub returns a handler for pushes.
func NewGitHub(secret string, onPush func(context.Context, *Push) error, o *webhook.Options) (*webhook.Handler, error) {
	h, err := webhook.NewHandler(GitHub(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", secret)}}, o)
	if err != nil {
		return nil, err
	}
	push.On(h, onPush)
	return h, nil
}
