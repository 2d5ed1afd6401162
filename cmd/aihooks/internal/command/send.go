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

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
)

// sending are the options of send.
type sending struct {
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
	var o sending
	c := &cobra.Command{
		Use:   "send VENDOR EVENT --url URL",
		Short: "Send a delivery as a vendor would, signed",
		Long: `Send sends a sample of an event to a service, signed and dated as the vendor would. Each delivery has an id of its own,
unless --same is given. It succeeds if all are answered 2xx, or as --expect says.`,
		Example: `  aihooks send greenflash conversation.rating --url http://127.0.0.1:8080/webhooks/greenflash
  aihooks send workflux user.message --url http://127.0.0.1:8080/hooks --set data.content=hello
  aihooks send convosphere message.created --url http://127.0.0.1:8080/hooks --same --times 2 --concurrent 2
  aihooks send greenflash conversation.rating --url http://127.0.0.1:8080/hooks --forge --expect 401
  aihooks send emberqa --list`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: eventArg,
		RunE: func(c *cobra.Command, args []string) error {
			v, err := vendors.Find(args[0])
			if err != nil {
				return usage("%w", err)
			}
			if o.list {
				return a.listEvents(v)
			}
			if len(args) < 2 {
				return usage("which event? See `aihooks send %s --list`", v.Name())
			}
			return a.send(c, v, args[1], &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.url, "url", "", "`URL` of the service's endpoint; the token of EmberQA is added to it")
	f.StringArrayVar(&o.set, "set", nil, "`path=value` in the body: data.rating=5, data.tags[0]=x, or /data/tags/0=x; the value is JSON, or else a text. What the sample does not have is added, and noted")
	f.IntVar(&o.times, "times", 1, "how many deliveries")
	f.IntVar(&o.concurrent, "concurrent", 1, "how many at once")
	f.BoolVar(&o.same, "same", false, "send the same delivery each time, as retries and duplicates are")
	f.BoolVar(&o.forge, "forge", false, "sign with a secret that nobody knows")
	f.BoolVar(&o.stale, "stale", false, "date it a minute before the vendor's window")
	f.BoolVar(&o.list, "list", false, "list the vendor's events")
	f.StringVar(&o.form, "form", "", "`name` of the form that is signed, for Greenflash: timestamp.body, delivery.timestamp.body or body")
	f.IntVar(&o.expect, "expect", 0, "succeed if every answer has this `status`, instead of 2xx")
	f.DurationVar(&o.timeout, "timeout", 0, "how long to wait for an answer (default: as long as the vendor does)")
	return c
}

func eventArg(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return vendorArg(c, args, typed)
	}
	v, err := vendors.Find(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range v.Samples {
		names = append(names, v.Samples[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) listEvents(v *vendors.Vendor) error {
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

func (a *app) send(c *cobra.Command, v *vendors.Vendor, event string, o *sending) error {
	letters, err := a.letters(v, event, o)
	if err != nil {
		return err
	}
	patience := o.timeout
	if patience == 0 {
		patience = v.Profile.RespondWithin
	}
	return a.poster(patience, o.concurrent).deliver(c.Context(), letters, o.expect, map[string]any{"vendor": v.Name()})
}

// mostTimes keeps one zero too many from filling the memory: each answer is kept.
const mostTimes = 1_000_000

// letters makes the deliveries that are to be sent.
func (a *app) letters(v *vendors.Vendor, event string, o *sending) ([]letter, error) {
	switch {
	case o.times < 1 || o.concurrent < 1:
		return nil, usage("--times and --concurrent must be 1 or more")
	case o.times > mostTimes:
		return nil, usage("--times must be %d or less", mostTimes)
	case o.timeout < 0:
		return nil, usage("--timeout must not be negative")
	case o.stale && v.Profile.Window == 0:
		return nil, usage("--stale: %s sends no time that could be checked", v.Name())
	case o.form != "" && !v.Signs():
		return nil, usage("--form: %s does not sign", v.Name())
	}
	if err := checkURL(o.url); err != nil {
		return nil, err
	}
	sample, err := v.Sample(event)
	if err != nil {
		return nil, usage("%w", err)
	}
	body, err := setAll(sample.Body, o.set, func(path string) {
		a.notef("--set %s: the sample of %s has no such member, so it is added", path, sample.Name)
	})
	if err != nil {
		return nil, err
	}
	secret := nobodysSecret()
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
	letters := make([]letter, o.times)
	for i := range letters {
		if o.same {
			letters[i] = letter{event: sample.Name, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) { return sign.Request(same, now(), id) }}
			continue
		}
		id := newID()
		letters[i] = letter{event: sample.Name, id: id, vendor: v, secret: secret, request: func() (*http.Request, error) {
			t := now()
			return sign.Request(sign.Stamp(sign.Unique(body, id), t), t, id)
		}}
	}
	if _, err := sign.Request(body, now(), id); err != nil {
		return nil, usage("%s cannot be sent: %w", v.Name(), withoutURL(err))
	}
	return letters, nil
}

func newID() string { return "cli_" + strings.ToLower(rand.Text()) }

// setAll changes members of a body, and calls added for each that was not there.
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
			return nil, usage("--set must be path=value, and is %q", s)
		}
		var value any
		if json.Valid([]byte(text)) {
			numbers := json.NewDecoder(strings.NewReader(text))
			numbers.UseNumber() // as they were written: 1.0 stays 1.0
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

// has reports whether the names lead to a value.
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

// elements matches the places in lists at the end of a name: tags[0][1].
var elements = regexp.MustCompile(`((?:\[\d+\])+)(\.|$)`)

// split returns the names in a path: a JSON pointer (RFC 6901), or names with dots between them and places in brackets.
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
			return nil, fmt.Errorf("%q is no place in a list of %d", names[0], len(v))
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
