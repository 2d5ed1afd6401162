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
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// replaying are the options of replay.
type replaying struct {
	address, vendor, form string
	newIDs, signRefused   bool
}

func (a *app) replayCommand() *cobra.Command {
	var o replaying
	var concurrent, expect int
	c := &cobra.Command{
		Use:   "replay FILE... --url URL",
		Short: "Send saved deliveries again, signed anew",
		Long: `Replay sends deliveries that ` + "`aihooks listen`" + ` has saved, in the order in which they are given: signed anew, and dated now. It
succeeds if all are answered 2xx, or as --expect says.

A folder stands for the *.json files in it, and a pattern for the files that it matches. Deliveries of several vendors need
{vendor} in the URL, which each delivery replaces with the name of its vendor.

A delivery keeps its id, so that a service which has handled it answers that it is a duplicate, and runs nothing; --new-id
makes it another event. A file may also be the bare body of a delivery: then say of whom with --vendor.

A delivery that listen did not accept, or did not verify, is left out, with a warning: anybody may have written it, and signed
with your secret it becomes genuine. --sign-refused signs and sends such deliveries, too.`,
		Example: `  aihooks replay aihooks-deliveries --url 'http://127.0.0.1:8080/webhooks/{vendor}'
  aihooks replay body.json --vendor workflux --new-id --url http://127.0.0.1:8080/webhooks/workflux`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkURL(o.address); err != nil {
				return err
			}
			if concurrent < 1 {
				return usage("--concurrent must be 1 or more")
			}
			files, err := expand(args)
			if err != nil {
				return err
			}
			letters, refused, err := a.readAll(c.Context(), files, &o)
			if err != nil {
				return err
			}
			document := make(map[string]any)
			if len(refused) > 0 {
				document["refused"] = refused
				if err := a.warnOfRefused(refused, len(letters), o.signRefused); err != nil {
					return err
				}
			}
			patience := time.Duration(0)
			for i := range letters {
				patience = max(patience, letters[i].vendor.Profile.RespondWithin)
			}
			return a.poster(patience, concurrent).deliver(c.Context(), letters, expect, document)
		},
	}
	f := c.Flags()
	f.StringVar(&o.address, "url", "", "`URL` of the service's endpoint, in which {vendor} is the name of each delivery's vendor; the token of EmberQA is added to it")
	f.StringVar(&o.vendor, "vendor", "", "`name` of the vendor whose bodies the files are")
	f.BoolVar(&o.newIDs, "new-id", false, "give each delivery an id of its own, so that none is a duplicate")
	f.BoolVar(&o.signRefused, "sign-refused", false, "also sign deliveries that listen did not accept or verify, which anybody may have written")
	f.StringVar(&o.form, "form", "", "`name` of the form that is signed, for Greenflash")
	f.IntVar(&concurrent, "concurrent", 1, "how many at once; more than one gives up their order")
	f.IntVar(&expect, "expect", 0, "succeed if every answer has this `status`, instead of 2xx")
	completeVendor(c)
	return c
}

// readAll reads the deliveries that are to be sent, and returns the files of those that listen did not accept.
func (a *app) readAll(ctx context.Context, files []string, o *replaying) (letters []letter, refused []string, err error) {
	names := make(map[string]bool)
	for _, path := range files {
		captured, err := a.readCapture(ctx, path, o.vendor)
		if err != nil {
			return nil, nil, err
		}
		v, err := vendors.Find(captured.Vendor)
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
		letters = append(letters, again(v, captured, secret, to, o.form, filepath.Base(path), o.newIDs))
	}
	if len(names) > 1 && !strings.Contains(o.address, anyVendor) {
		return nil, nil, usage("the files are deliveries of %s, and --url is one endpoint: write %s where the URL names the vendor, or replay one vendor's at a time",
			strings.Join(slices.Sorted(maps.Keys(names)), ", "), anyVendor)
	}
	return letters, refused, nil
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
	text := fmt.Sprintf("listen did not accept %d of the deliveries, so anybody may have written them: %s", len(refused), strings.Join(names, ", "))
	switch {
	case sign:
		a.notef("warning: %s. They are signed now, and the service takes them for genuine", text)
	case sent == 0:
		return fmt.Errorf("nothing was sent: %s. See --sign-refused", text)
	default:
		a.notef("warning: %s. They are left out; see --sign-refused", text)
	}
	return nil
}

// anyVendor is the place of a vendor's name in a URL.
const anyVendor = "{vendor}"

// expand returns the files that arguments name, as a shell of Unix would: shells of Windows expand no pattern.
func expand(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		pattern := arg
		switch {
		case err == nil && info.IsDir():
			pattern = filepath.Join(escapePattern(arg), "*.json")
		case err == nil || !strings.ContainsAny(arg, "*?["):
			files = append(files, arg) // reading it reports what is wrong with it
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, usage("%q is not a pattern: %w", arg, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: there is no such file", pattern)
		}
		files = append(files, found...)
	}
	return files, nil
}

// escapePattern makes a path match itself alone. Windows has no escape, and no such names.
func escapePattern(path string) string {
	if filepath.Separator != '/' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
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
	return letter{name: name, event: event, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) {
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
