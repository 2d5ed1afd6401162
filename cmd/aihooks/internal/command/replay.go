package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func (a *app) replayCommand() *cobra.Command {
	var address, vendor, form string
	var newIDs bool
	var concurrent, expect int
	c := &cobra.Command{
		Use:   "replay FILE... --url URL",
		Short: "Send saved deliveries again, signed anew",
		Long: `Replay sends deliveries that ` + "`aihooks listen`" + ` has saved, in the order in which they are given: signed anew, and dated now. It
succeeds if all are answered 2xx, or as --expect says.

A delivery keeps its id, so that a service which has handled it answers that it is a duplicate, and runs nothing; --new-id
makes it another event. A file may also be the bare body of a delivery: then say of whom with --vendor.`,
		Example: `  aihooks replay aihooks-deliveries/*.json --url http://127.0.0.1:8080/webhooks/greenflash
  aihooks replay body.json --vendor workflux --new-id --url http://127.0.0.1:8080/webhooks/workflux`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkURL(address); err != nil {
				return err
			}
			if concurrent < 1 {
				return usage("--concurrent must be 1 or more")
			}
			var letters []letter
			patience := time.Duration(0)
			for _, path := range args {
				captured, err := a.readCapture(c.Context(), path, vendor)
				if err != nil {
					return err
				}
				v, err := vendors.Find(captured.Vendor)
				if err != nil {
					return usage("%s: %w", path, err)
				}
				secret, err := a.mustSecret(v)
				if err != nil {
					return err
				}
				patience = max(patience, v.Profile.AnswerWithin)
				letters = append(letters, again(v, captured, secret, address, form, filepath.Base(path), newIDs))
			}
			return a.poster(patience, concurrent).deliver(c.Context(), letters, expect, make(map[string]any))
		},
	}
	f := c.Flags()
	f.StringVar(&address, "url", "", "`URL` of the service's endpoint; the token of EmberQA is added to it")
	f.StringVar(&vendor, "vendor", "", "`name` of the vendor whose bodies the files are")
	f.BoolVar(&newIDs, "new-id", false, "give each delivery an id of its own, so that none is a duplicate")
	f.StringVar(&form, "form", "", "`name` of the form that is signed, for Greenflash")
	f.IntVar(&concurrent, "concurrent", 1, "how many at once; more than one gives up their order")
	f.IntVar(&expect, "expect", 0, "succeed if every answer has this `status`, instead of 2xx")
	completeVendor(c)
	return c
}

// readCapture reads a capture, or the bare body of a vendor's delivery.
func (a *app) readCapture(ctx context.Context, path, vendor string) (*capture.Capture, error) {
	if vendor != "" {
		if _, err := vendors.Find(vendor); err != nil {
			return nil, usage("--vendor: %w", err)
		}
	}
	text, err := a.read(ctx, path, maxFile)
	if err != nil {
		return nil, err
	}
	c, err := capture.Parse(text)
	switch {
	case vendor == "" && err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case vendor == "" || err == nil && c.Method != "" && strings.EqualFold(c.Vendor, vendor):
		return c, nil
	case err == nil && c.Method != "":
		return nil, usage("%s is a capture of %s's, not of %s's", path, printable(c.Vendor), vendor)
	case !json.Valid(text):
		return nil, fmt.Errorf("%s: is not JSON", path)
	}
	return &capture.Capture{Vendor: vendor, Body: text}, nil
}

// again returns the delivery such as it would be sent now.
func again(v *vendors.Vendor, c *capture.Capture, secret signature.Secret, address, form, name string, anew bool) letter {
	sign := signer(v, address, form, secret)
	id, body := idOf(v, c), c.Body
	if anew || id == "" {
		id = newID()
	}
	if anew {
		body = sign.Unique(body, id)
	}
	event := c.Type
	if event == "" {
		event = sign.Type(body)
	}
	return letter{name: name, event: event, id: id, secret: secret, request: func() (*http.Request, error) {
		now := time.Now()
		return sign.Request(dated(sign, body, now), now, id)
	}}
}

// dated dates a body where it is by the body's date that a delivery is too old.
func dated(sign *webhooktest.Signer, body []byte, now time.Time) []byte {
	if p := &sign.Profile; p.Window == 0 || p.TimeHeader != "" {
		return body
	}
	return sign.Stamp(body, now)
}

// idOf returns the id that a vendor has put in a header, if it does so.
func idOf(v *vendors.Vendor, c *capture.Capture) string {
	if v.Profile.Scheme == nil {
		return ""
	}
	for _, f := range v.Profile.Scheme.Fields {
		if f.Grammar == signature.Opaque {
			return c.Header.Get(f.Header)
		}
	}
	return ""
}
