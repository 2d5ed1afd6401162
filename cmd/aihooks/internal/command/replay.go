package command

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// replayOptions are the options of replay.
type replayOptions struct {
	address, vendor, form string
	newIDs, signRefused   bool
}

func (a *app) replayCommand() *cobra.Command {
	var o replayOptions
	var concurrent, expect int
	c := &cobra.Command{
		Use:   "replay FILE... --url URL",
		Short: "Send saved deliveries again, with a new signature and time",
		Long: `Replay sends deliveries that ` + "`aihooks listen`" + ` has saved, in the given order, with a new signature and the current time. It
succeeds if every response is a 2xx, or has the status of --expect.

A FILE may be a folder, whose *.json files are sent, or a pattern. Deliveries of several vendors need {vendor} in the URL, which
is replaced by the vendor of each delivery.

A delivery keeps its id, so a service that has handled it treats it as a duplicate and does not run it again. --new-id makes it
a new event. A FILE may also be only the body of a delivery. Set --vendor to its vendor then.

Replay omits deliveries that listen did not accept or verify, and prints a warning. Anyone may have written them, and your
signature would make them genuine. --sign-refused signs and sends them too.`,
		Example: `  aihooks replay aihooks-deliveries --url 'http://127.0.0.1:8080/webhooks/{vendor}'
  aihooks replay body.json --vendor workflux --new-id --url http://127.0.0.1:8080/webhooks/workflux`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkURL(o.address); err != nil {
				return err
			}
			if concurrent < 1 {
				return usage("--concurrent (%d) must be 1 or more", concurrent)
			}
			files, err := expand(args)
			if err != nil {
				return err
			}
			deliveries, refused, err := a.readAll(c.Context(), files, &o)
			if err != nil {
				return err
			}
			document := make(map[string]any)
			if len(refused) > 0 {
				document["refused"] = refused
				if err := a.warnOfRefused(refused, len(deliveries), o.signRefused); err != nil {
					return err
				}
			}
			timeout := time.Duration(0)
			for i := range deliveries {
				timeout = max(timeout, deliveries[i].vendor.Profile.RespondWithin)
			}
			return a.newSendPool(timeout, concurrent).deliver(c.Context(), deliveries, expect, document)
		},
	}
	f := c.Flags()
	f.StringVar(&o.address, "url", "", "`URL` of the service's endpoint; {vendor} is replaced by the vendor's name, and EmberQA's token is added")
	f.StringVar(&o.vendor, "vendor", "", "`name` of the vendor, for files that are only a body")
	f.BoolVar(&o.newIDs, "new-id", false, "give each delivery a new id, so that it is not a duplicate")
	f.BoolVar(&o.signRefused, "sign-refused", false, "also sign deliveries that listen did not accept or verify, which anyone may have written")
	f.StringVar(&o.form, "form", "", "`name` of the signed form, for Greenflash")
	f.IntVar(&concurrent, "concurrent", 1, "maximum number of concurrent requests; more than one does not keep the order")
	f.IntVar(&expect, "expect", 0, "expect this `status` instead of 2xx")
	completeVendor(c)
	return c
}

// readAll reads the deliveries to send. It also returns the files of deliveries that listen did not accept.
func (a *app) readAll(ctx context.Context, files []string, o *replayOptions) (deliveries []outgoing, refused []string, err error) {
	names := make(map[string]bool)
	for _, path := range files {
		captured, err := a.readCapture(ctx, path, o.vendor)
		if err != nil {
			return nil, nil, err
		}
		v, err := allvendors.Find(captured.Vendor)
		if err != nil {
			return nil, nil, usage("%s: %w", path, err)
		}
		if isBody := o.vendor != "" && captured.Method == ""; !isBody && !captured.Accepted() {
			refused = append(refused, path)
			if !o.signRefused {
				continue
			}
		}
		secret, err := a.mustSecret(v)
		if err != nil {
			return nil, nil, err
		}
		names[v.Name()] = true
		to := strings.ReplaceAll(o.address, anyVendor, v.Name())
		deliveries = append(deliveries, replayOf(v, captured, secret, to, o.form, filepath.Base(path), o.newIDs))
	}
	if len(names) > 1 && !strings.Contains(o.address, anyVendor) {
		return nil, nil, usage("the files are deliveries of %s, but --url is one endpoint: write %s in place of the vendor in the URL, or replay one vendor at a time",
			strings.Join(slices.Sorted(maps.Keys(names)), ", "), anyVendor)
	}
	return deliveries, refused, nil
}

// warnOfRefused warns of captures that listen did not accept. It returns an error if nothing else is left to send.
func (a *app) warnOfRefused(refused []string, sent int, sign bool) error {
	var names []string
	for _, path := range refused[:min(len(refused), few)] {
		names = append(names, printable(filepath.Base(path)))
	}
	if len(refused) > few {
		names = append(names, "…")
	}
	text := fmt.Sprintf("listen did not accept %d of the deliveries, so anyone may have written them: %s", len(refused), strings.Join(names, ", "))
	switch {
	case sign:
		a.notef("warning: %s. They are now signed, and the service accepts them as genuine", text)
	case sent == 0:
		return fmt.Errorf("nothing was sent: %s. To send them, set --sign-refused", text)
	default:
		a.notef("warning: %s. They are omitted; to send them, set --sign-refused", text)
	}
	return nil
}

// anyVendor is replaced by the name of a vendor in a URL.
const anyVendor = "{vendor}"

// expand returns the files that arguments name. It expands patterns, because shells of Windows do not.
func expand(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		pattern := arg
		switch {
		case err == nil && info.IsDir():
			pattern = filepath.Join(escapePattern(arg), "*.json")
		case err == nil || !strings.ContainsAny(arg, "*?["):
			files = append(files, arg) // reading it reports an error
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, usage("%q is not a pattern: %w", arg, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no such file", pattern)
		}
		files = append(files, found...)
	}
	return files, nil
}

// escapePattern escapes a path, so that it matches only itself. Windows has no escapes, and does not allow such names.
func escapePattern(path string) string {
	if filepath.Separator != '/' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// readCapture reads a capture, or a file that is only the body of a vendor's delivery.
func (a *app) readCapture(ctx context.Context, path, vendor string) (*capture.Capture, error) {
	if vendor != "" {
		if _, err := allvendors.Find(vendor); err != nil {
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
		return nil, usage("%s is a capture of a delivery of %s, not of %s", path, printable(c.Vendor), vendor)
	case !json.Valid(text):
		return nil, fmt.Errorf("%s is not JSON", path)
	}
	return &capture.Capture{Vendor: vendor, Body: text}, nil
}

// replayOf returns a delivery to send from a capture. If asNew is set, it is a new event.
func replayOf(v *allvendors.Vendor, c *capture.Capture, secret signature.Secret, address, form, name string, asNew bool) outgoing {
	sign := signer(v, address, form, secret)
	id, body := idOf(v, c), c.Body
	if asNew || id == "" {
		id = newID()
	}
	if asNew {
		body = sign.Unique(body, id)
	}
	event := c.Type
	if event == "" {
		event = sign.Type(body)
	}
	return outgoing{name: name, event: event, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) {
		now := time.Now()
		return sign.Request(dated(sign, body, now), now, id)
	}}
}

// dated updates the time in a body, for vendors whose window is checked against it.
func dated(sign *webhooktest.Signer, body []byte, now time.Time) []byte {
	if p := &sign.Profile; p.Window == 0 || p.TimeField != "" {
		return body
	}
	return sign.Stamp(body, now)
}

// idOf returns the id in a header, or "" if the vendor sends none.
func idOf(v *allvendors.Vendor, c *capture.Capture) string {
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
