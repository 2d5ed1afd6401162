package command

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/internal/allvendors"
)

// doctorOptions are the options of doctor.
type doctorOptions struct {
	url     string
	form    string
	inbox   string
	store   string
	fresh   bool
	timeout time.Duration
}

// A check is one line of doctor's output. To add a check, add a row to doctorChecks.
type check struct {
	name  string
	needs []string // earlier checks; after a problem of one, this check is skipped
	run   func(ctx context.Context, d *doctor) finding
}

// doctorChecks are all checks, in their order.
var doctorChecks = []check{
	{"secret", nil, checkSecret},
	{"dns", nil, checkDNS},
	{"connection", []string{"dns"}, checkConnection},
	{"certificate", []string{"connection"}, checkCertificate},
	{"endpoint", []string{"connection", "certificate"}, checkEndpoint},
	{"test-event", []string{"endpoint"}, checkTestEvent},
	{"response-time", []string{"test-event"}, checkResponseTime},
	{"forged-event", []string{"endpoint"}, checkForgedEvent},
	{"future-event", []string{"test-event"}, checkFutureEvent},
	{"stale-event", []string{"future-event"}, checkStaleEvent}, // an endpoint that accepts a future time could run a callback
	{"rewritten-body", []string{"test-event"}, checkRewrittenBody},
	{"large-body", []string{"test-event"}, checkLargeBody},
	{"chunked-body", []string{"test-event"}, checkChunkedBody},
	{"compression", []string{"connection", "certificate"}, checkCompression},
	{"clock", []string{"connection", "certificate"}, checkClock},
	{"inbox", nil, checkInbox},
	{"inbox-dead-letters", []string{"inbox"}, checkDeadLetters},
	{"inbox-deferred", []string{"inbox"}, checkDeferred},
	{"inbox-oldest", []string{"inbox"}, checkOldest},
	{"inbox-settings", []string{"inbox"}, checkInboxSettings},
	{"store-settings", nil, checkStoreSettings},
	{"store-retention", []string{"store-settings"}, checkStoreRetention},
}

// A result is how a check ended. The texts are part of the output of the tool.
type result string

const (
	resultOK      result = "ok"
	resultWarning result = "warning"
	resultProblem result = "problem"
	resultSkipped result = "skipped"
)

// A finding is what a check found. Its JSON names are part of the output of the tool.
type finding struct {
	Check  string `json:"check"`
	Result result `json:"result"`
	Found  string `json:"found"`         // a sentence
	Fix    string `json:"fix,omitempty"` // a sentence, for a warning or a problem
}

func fine(found string) finding { return finding{Result: resultOK, Found: found} }
func warning(found, fix string) finding {
	return finding{Result: resultWarning, Found: found, Fix: fix}
}
func problem(found, fix string) finding {
	return finding{Result: resultProblem, Found: found, Fix: fix}
}
func skipped(why string) finding { return finding{Result: resultSkipped, Found: why} }

// defaultDoctorTimeout is longer than all checks take when each response comes just in time for the vendor.
const defaultDoctorTimeout = 3 * time.Minute

func (a *app) doctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor VENDOR --url URL",
		Short: "Check a deployment, and say what to fix",
		Long: `Doctor checks a running service from outside: the secret, the network, the certificate, the responses and their time, the clock,
and whether a proxy changes deliveries. With --from or AIHOOKS_INBOX it also checks an inbox, and with --store the server of an
idempotency store: settings such as fsync, appendfsync and the replicas of a stream, and how long keys are kept. It prints one line for each
check: ok, warning, problem or skipped, and what to fix. It exits with 1 if it finds a problem, also if that is an endpoint that
does not respond. It ends within --timeout, even if the endpoint hangs.

No callback for an event type runs. The events have the type "aihooks.doctor", which no vendor documents, and a time two years
ago. A handler of this library responds 200 to them, and stores nothing. One more event has a documented type and is two years
old. It is sent only if the endpoint has refused an event from the future. In the service, a run leaves log lines and
observations: "unhandled", "unauthenticated", and "rejected" with the reasons "stale" and "future".

EmberQA signs no time. So its test event passes the store and the inbox, and Before and OnUnhandled run. An inbox keeps one
deferred entry, with the webhook_id "aihooks-doctor", however often doctor runs. --fresh dates the test event of another vendor
now, with the same effect: the response time then includes the store or the inbox, and an inbox may keep an entry for each run.`,
		Example: `  aihooks doctor workflux --url https://example.com/webhooks/workflux
  aihooks doctor greenflash --url https://example.com/webhooks/greenflash --secret-file secret.txt --json
  aihooks doctor emberqa --url http://127.0.0.1:8080/webhooks/emberqa --from inbox.db`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: vendorArg,
		RunE: func(c *cobra.Command, args []string) error {
			v, err := allvendors.Find(args[0])
			if err != nil {
				return usage("%w", err)
			}
			o.inbox = a.fromOrVariable()
			d, err := a.newDoctor(v, &o)
			if err != nil {
				return err
			}
			return errors.Join(a.diagnose(c.Context(), d), d.close())
		},
	}
	addFromFlag(c, a)
	f := c.Flags()
	f.StringVar(&o.url, "url", "", "`URL` of the service's endpoint; EmberQA's token is added to it")
	f.StringVar(&o.form, "form", "", "`name` of the signed form, for Greenflash: timestamp.body, delivery.timestamp.body or body")
	f.StringVar(&o.store, "store", "", "`URL` of the server of the service's idempotency store: redis://... or postgres://...")
	f.BoolVar(&o.fresh, "fresh", false, "date the test event now, so that it passes the store or the inbox")
	f.DurationVar(&o.timeout, "timeout", defaultDoctorTimeout, "how long all checks may take")
	return c
}

func (a *app) newDoctor(v *allvendors.Vendor, o *doctorOptions) (*doctor, error) {
	switch {
	case o.timeout <= 0:
		return nil, usage("--timeout must be positive")
	case o.form != "" && !v.Signs():
		return nil, usage("--form must not be set for %s, which does not sign", v.Name())
	}
	if err := checkURL(o.url); err != nil {
		return nil, err
	}
	target, err := url.Parse(o.url)
	if err != nil {
		return nil, usage("--url must be an http or https URL") // checkURL has parsed it
	}
	secret, from, err := a.secret(v)
	if err == nil && from == "" {
		_, err = a.mustSecret(v)
	}
	if err != nil {
		return nil, err
	}
	d := &doctor{vendor: v, options: o, secret: secret, secretFrom: from, target: target, client: newProbeClient(v)}
	if _, err := signer(v, o.url, o.form, randomSecret()).Request(nil, time.Now(), doctorID); err != nil {
		return nil, usage("%s cannot be sent: %w", v.Name(), withoutURL(err))
	}
	return d, nil
}

// diagnose runs all checks and writes their findings. It returns an error if there is a problem.
func (a *app) diagnose(ctx context.Context, d *doctor) error {
	bounded, cancel := context.WithTimeout(ctx, d.options.timeout)
	defer cancel()
	findings := d.examine(bounded, func(f finding) {
		if !a.json {
			a.showFinding(f)
		}
	})
	if a.json {
		if err := a.writeJSON(map[string]any{"vendor": d.vendor.Name(), "url": d.hide(d.target.Redacted()), "checks": findings}); err != nil {
			return err
		}
	}
	problems := 0
	for _, f := range findings {
		if f.Result == resultProblem {
			problems++
		}
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted before all checks have run")
	case problems > 0:
		return fmt.Errorf("%d of %d checks found a problem", problems, len(findings))
	case bounded.Err() != nil:
		return fmt.Errorf("not all checks have run within --timeout (%v)", d.options.timeout)
	}
	return nil
}

// examine runs all checks, and passes each finding to show.
func (d *doctor) examine(ctx context.Context, show func(finding)) []finding {
	findings := make([]finding, 0, len(doctorChecks))
	failed := make(map[string]bool)
	for _, c := range doctorChecks {
		f := d.examineOne(ctx, &c, failed)
		f.Check, f.Found, f.Fix = c.name, d.hide(f.Found), d.hide(f.Fix)
		show(f)
		findings = append(findings, f)
	}
	return findings
}

func (d *doctor) examineOne(ctx context.Context, c *check, failed map[string]bool) finding {
	if ctx.Err() != nil {
		return skipped("There was no time left.")
	}
	for _, name := range c.needs {
		if failed[name] {
			failed[c.name] = true
			return skipped(fmt.Sprintf("The check %s must succeed first.", name))
		}
	}
	f := c.run(ctx, d)
	failed[c.name] = f.Result == resultProblem
	return f
}

// resultColours are the colours of results on a terminal.
var resultColours = map[result]string{resultOK: green, resultWarning: yellow, resultProblem: red, resultSkipped: faint}

func (a *app) showFinding(f finding) {
	text := f.Found
	if f.Fix != "" {
		text += " " + f.Fix
	}
	a.linef("%s %-19s %s", a.paint(resultColours[f.Result], fmt.Sprintf("%-8s", f.Result)), f.Check, printable(text))
}
