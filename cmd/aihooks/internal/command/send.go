package command

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// sendOptions are the options of send.
type sendOptions struct {
	url        string
	set        []string
	times      int
	concurrent int
	same       bool
	forge      bool
	stale      bool
	list       bool
	form       string
	expect     int
	timeout    time.Duration
}

func (a *app) sendCommand() *cobra.Command {
	var o sendOptions
	c := &cobra.Command{
		Use:   "send VENDOR EVENT --url URL",
		Short: "Send a sample of an event, signed as the vendor does",
		Long: `Send sends a sample of an event to a service, with the signature and the time that the vendor would send. Each delivery has a
new id, unless --same is set. Send succeeds if every response is a 2xx, or has the status of --expect.`,
		Example: `  aihooks send greenflash conversation.rating --url http://127.0.0.1:8080/webhooks/greenflash
  aihooks send workflux user.message --url http://127.0.0.1:8080/hooks --set data.content=hello
  aihooks send convosphere message.created --url http://127.0.0.1:8080/hooks --same --times 2 --concurrent 2
  aihooks send greenflash conversation.rating --url http://127.0.0.1:8080/hooks --forge --expect 401
  aihooks send emberqa --list`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: eventArg,
		RunE: func(c *cobra.Command, args []string) error {
			v, err := allvendors.Find(args[0])
			if err != nil {
				return usage("%w", err)
			}
			if o.list {
				return a.listEvents(v)
			}
			if len(args) < 2 {
				return usage("an EVENT is needed: `aihooks send %s --list` lists them", v.Name())
			}
			return a.send(c, v, args[1], &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.url, "url", "", "`URL` of the service's endpoint; EmberQA's token is added to it")
	f.StringArrayVar(&o.set, "set", nil, "set `path=value` in the body, such as data.rating=5, data.tags[0]=x or /data/tags/0=x; a value that is not JSON is a string; missing members are added with a note")
	f.IntVar(&o.times, "times", 1, "number of deliveries")
	f.IntVar(&o.concurrent, "concurrent", 1, "maximum number of concurrent requests")
	f.BoolVar(&o.same, "same", false, "send the same delivery each time, like a retry or a duplicate")
	f.BoolVar(&o.forge, "forge", false, "sign with a random secret")
	f.BoolVar(&o.stale, "stale", false, "send a time one minute older than the vendor's window")
	f.BoolVar(&o.list, "list", false, "list the vendor's events")
	f.StringVar(&o.form, "form", "", "`name` of the signed form, for Greenflash: timestamp.body, delivery.timestamp.body or body")
	f.IntVar(&o.expect, "expect", 0, "expect this `status` instead of 2xx")
	f.DurationVar(&o.timeout, "timeout", 0, "how long to wait for a response (default: as long as the vendor waits)")
	return c
}

func eventArg(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return vendorArg(c, args, typed)
	}
	v, err := allvendors.Find(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range v.Samples {
		names = append(names, v.Samples[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) listEvents(v *allvendors.Vendor) error {
	type event struct {
		Name       string `json:"name"`
		Type       string `json:"type"`
		Documented bool   `json:"documented"`
	}
	var events []event
	var rows [][]string
	for i := range v.Samples {
		s := &v.Samples[i]
		events = append(events, event{s.Name, s.Type, s.Documented})
		source := "our best guess"
		if s.Documented {
			source = "the vendor's page"
		}
		rows = append(rows, []string{s.Name, s.Type, source})
	}
	if a.json {
		return a.writeJSON(events)
	}
	a.table([]string{"EVENT", "TYPE", "SAMPLE FROM"}, rows)
	return nil
}

func (a *app) send(c *cobra.Command, v *allvendors.Vendor, event string, o *sendOptions) error {
	deliveries, err := a.outgoing(v, event, o)
	if err != nil {
		return err
	}
	timeout := o.timeout
	if timeout == 0 {
		timeout = v.Profile.RespondWithin
	}
	return a.newSendPool(timeout, o.concurrent).deliver(c.Context(), deliveries, o.expect, map[string]any{"vendor": v.Name()})
}

// mostTimes bounds memory, because each response is kept.
const mostTimes = 1_000_000

// outgoing returns the deliveries to send.
func (a *app) outgoing(v *allvendors.Vendor, event string, o *sendOptions) ([]outgoing, error) {
	switch {
	case o.times < 1 || o.concurrent < 1:
		return nil, usage("--times and --concurrent must be 1 or more")
	case o.times > mostTimes:
		return nil, usage("--times must be %d or less", mostTimes)
	case o.timeout < 0:
		return nil, usage("--timeout must not be negative")
	case o.stale && v.Profile.Window == 0:
		return nil, usage("--stale must not be set for %s, which sends no signed time", v.Name())
	case o.form != "" && !v.Signs():
		return nil, usage("--form must not be set for %s, which does not sign", v.Name())
	}
	if err := checkURL(o.url); err != nil {
		return nil, err
	}
	sample, err := sampleOf(v, event)
	if err != nil {
		return nil, usage("%w", err)
	}
	body, err := setAll(sample.Body, o.set, func(path string) {
		a.notef("--set %s: the sample of %s has no such member; it is added", path, sample.Name)
	})
	if err != nil {
		return nil, err
	}
	secret := randomSecret()
	if !o.forge {
		if secret, err = a.mustSecret(v); err != nil {
			return nil, err
		}
	}
	sign := signer(v, o.url, o.form, secret)
	now := func() time.Time {
		if o.stale {
			return time.Now().Add(-v.Profile.Window - time.Minute)
		}
		return time.Now()
	}
	id := newID()
	same := sign.Stamp(sign.Unique(body, id), now())
	deliveries := make([]outgoing, o.times)
	for i := range deliveries {
		if o.same {
			deliveries[i] = outgoing{event: sample.Name, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) { return sign.Request(same, now(), id) }}
			continue
		}
		id := newID()
		deliveries[i] = outgoing{event: sample.Name, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) {
			t := now()
			return sign.Request(sign.Stamp(sign.Unique(body, id), t), t, id)
		}}
	}
	if _, err := sign.Request(body, now(), id); err != nil {
		return nil, usage("%s cannot be sent: %w", v.Name(), withoutURL(err))
	}
	return deliveries, nil
}

func newID() string { return "cli_" + strings.ToLower(rand.Text()) }

// setAll sets members of a body, and calls added for each member that is new.
func setAll(body []byte, sets []string, added func(path string)) ([]byte, error) {
	if len(sets) == 0 {
		return body, nil
	}
	var v any
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	for _, s := range sets {
		path, text, ok := strings.Cut(s, "=")
		names := split(path)
		if !ok || len(names) == 0 {
			return nil, usage("--set (%q) must be path=value", s)
		}
		var value any
		if json.Valid([]byte(text)) {
			numbers := json.NewDecoder(strings.NewReader(text))
			numbers.UseNumber() // keep 1.0 as 1.0
			if err := numbers.Decode(&value); err != nil {
				return nil, usage("--set %s: %w", path, err)
			}
		} else {
			value = text
		}
		if !has(v, names) {
			added(path)
		}
		var err error
		if v, err = set(v, names, value); err != nil {
			return nil, usage("--set %s: %w", path, err)
		}
	}
	return json.Marshal(v)
}

// has reports whether v has a value at a path of names.
func has(v any, names []string) bool {
	for _, name := range names {
		switch inner := v.(type) {
		case map[string]any:
			member, ok := inner[name]
			if !ok {
				return false
			}
			v = member
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(inner) {
				return false
			}
			v = inner[i]
		default:
			return false
		}
	}
	return true
}

// elements matches list indexes at the end of a name: tags[0][1].
var elements = regexp.MustCompile(`((?:\[\d+\])+)(\.|$)`)

// split returns the names in a path. The path is a JSON pointer (RFC 6901), or names separated by dots with indexes in brackets.
func split(path string) []string {
	if !strings.HasPrefix(path, "/") {
		path = elements.ReplaceAllStringFunc(path, strings.NewReplacer("[", ".", "]", "").Replace)
		return slices.DeleteFunc(strings.Split(path, "."), func(s string) bool { return s == "" })
	}
	names := strings.Split(path[1:], "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return names
}

func set(v any, names []string, value any) (any, error) {
	if len(names) == 0 {
		return value, nil
	}
	switch v := v.(type) {
	case map[string]any:
		inner, err := set(v[names[0]], names[1:], value)
		v[names[0]] = inner
		return v, err
	case []any:
		i, err := strconv.Atoi(names[0])
		if err != nil || i < 0 || i >= len(v) {
			return nil, fmt.Errorf("%q is not an index of a list of length %d", names[0], len(v))
		}
		v[i], err = set(v[i], names[1:], value)
		return v, err
	case nil:
		inner, err := set(nil, names[1:], value)
		return map[string]any{names[0]: inner}, err
	default:
		return nil, fmt.Errorf("%q is in neither an object nor a list", names[0])
	}
}

// sampleOf returns the vendor's sample with a name, or else the first sample of a type with that name.
func sampleOf(v *allvendors.Vendor, name string) (*webhooktest.Sample, error) {
	for i := range v.Samples {
		if v.Samples[i].Name == name {
			return &v.Samples[i], nil
		}
	}
	for i := range v.Samples {
		if v.Samples[i].Type == name {
			return &v.Samples[i], nil
		}
	}
	return nil, fmt.Errorf("%s has no event %q: `aihooks send %s --list` lists them", v.Name(), name, v.Name())
}
