package main

import (
	"fmt"
	"net/http"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// mount creates and mounts a handler for every configured vendor.
func mount(c config, t *telemetry, options *webhook.Options, p *printer) (*http.ServeMux, []*webhook.Handler, error) {
	options = t.options(options)
	mux := http.NewServeMux()
	var hooks []*webhook.Handler
	add := func(pattern string, h *webhook.Handler) {
		h.OnEvent(p.print) // your service would register a typed callback for each type that it needs
		mux.Handle(pattern, t.handler(h))
		hooks = append(hooks, h)
	}
	if len(c.greenflash) > 0 {
		h, err := greenflash.Config{Keys: keys(c.greenflash)}.NewHandler(options)
		if err != nil {
			return nil, nil, fmt.Errorf("GREENFLASH_WEBHOOK_SECRET: %w", err)
		}
		add("/webhooks/greenflash", h.Handler)
	}
	if len(c.convosphere) > 0 {
		h, err := convosphere.Config{Keys: keys(c.convosphere)}.NewHandler(options)
		if err != nil {
			return nil, nil, fmt.Errorf("CONVOSPHERE_WEBHOOK_SECRET: %w", err)
		}
		add("/webhooks/convosphere", h.Handler)
	}
	if len(c.workflux) > 0 {
		h, err := workflux.Config{Keys: keys(c.workflux)}.NewHandler(options)
		if err != nil {
			return nil, nil, fmt.Errorf("WORKFLUX_WEBHOOK_SECRET: %w", err)
		}
		add("/webhooks/workflux", h.Handler)
	}
	if len(c.emberqa) > 0 {
		var credentials []emberqa.Credential
		for i, token := range c.emberqa {
			credentials = append(credentials, emberqa.Token(token).Named(fmt.Sprintf("token-%d", i+1)))
		}
		h, err := emberqa.Config{Credentials: credentials}.NewHandler(options)
		if err != nil {
			return nil, nil, fmt.Errorf("EMBERQA_WEBHOOK_TOKEN: %w", err)
		}
		add("/webhooks/emberqa/{token}", h.Handler)
	}
	if len(c.standard) > 0 {
		h, err := standardwebhooks.Config{Keys: keys(c.standard)}.NewHandler(options)
		if err != nil {
			return nil, nil, fmt.Errorf("STANDARDWEBHOOKS_SECRET: %w", err)
		}
		h.OnUnhandled(p.printAny) // the specification names no types
		add("/webhooks/standardwebhooks", h.Handler)
	}
	if len(hooks) == 0 {
		options.Logger.Warn("no vendor is configured: set GREENFLASH_WEBHOOK_SECRET, CONVOSPHERE_WEBHOOK_SECRET, WORKFLUX_WEBHOOK_SECRET, EMBERQA_WEBHOOK_TOKEN or STANDARDWEBHOOKS_SECRET")
	}
	return mux, hooks, nil
}

func keys(secrets []string) []signature.Key {
	list := make([]signature.Key, len(secrets))
	for i, secret := range secrets {
		list[i] = signature.NewKey(fmt.Sprintf("key-%d", i+1), secret)
	}
	return list
}
