package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
)

func (a *app) explainCommand() *cobra.Command {
	var headers, body, captured, at string
	c := &cobra.Command{
		Use:   "explain (VENDOR --headers FILE --body FILE | [VENDOR] --capture FILE)",
		Short: "Say why a delivery is refused",
		Long: `Explain prints one sentence about what is wrong with a delivery, for example why its signature does not match, or that its
time is too old. It reports a cause only if it can prove it. It exits with 0 if nothing is wrong, and with 1 otherwise.

The --headers file has one header per line, "Name: value". A request line may come first ("POST /path HTTP/1.1"). EmberQA needs
it, because its token is in the path. Other formats also work:
  - the output of curl -v
  - the headers, or the cURL command, that a browser's developer tools copy
  - HTTP/2 headers with :path
  - CGI variables (HTTP_NAME=value)
  - JSON: an object, a list, a HAR file, or the event of an API gateway or a load balancer

The --body file has the body, byte for byte. "-" reads standard input. --capture takes a file that ` + "`aihooks listen`" + ` has
saved, which contains the headers and the body.`,
		Example: `  aihooks explain greenflash --headers headers.txt --body body.json
  aihooks explain --capture aihooks-deliveries/20261122T091500.000000-workflux-user.message.json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: vendorArg,
		RunE: func(c *cobra.Command, args []string) error {
			var v *allvendors.Vendor
			var err error
			if len(args) > 0 {
				if v, err = allvendors.Find(args[0]); err != nil {
					return usage("%w", err)
				}
			}
			v, r, now, err := a.delivery(c.Context(), v, headers, body, captured)
			if err != nil {
				return err
			}
			secret, err := a.mustSecret(v)
			if err != nil {
				return err
			}
			if at != "" {
				if now, err = readTime(at); err != nil {
					return usage("--at: %w", err)
				}
			}
			return a.explain(v, secret, r, now)
		},
	}
	f := c.Flags()
	f.StringVar(&headers, "headers", "", "`FILE` with the headers")
	f.StringVar(&body, "body", "", "`FILE` with the body, byte for byte")
	f.StringVar(&captured, "capture", "", "`FILE` that listen saved")
	f.StringVar(&at, "at", "", "`time` at which the delivery arrived, as RFC 3339 or Unix time (default: the time of the capture, or now)")
	return c
}

func (a *app) explain(v *allvendors.Vendor, secret signature.Secret, r *webhook.Request, now time.Time) error {
	h, err := v.NewHandler(secret.Reveal(), &webhook.Options{
		Logger: slog.New(slog.DiscardHandler), MaxBody: maxCaptured, ReadBudget: webhook.NewReadBudget(2 * maxCaptured),
	})
	if err != nil {
		return err
	}
	h.OnEvent(ignore)
	e := h.Explain(*r, now)
	if a.json {
		if err := a.writeJSON(map[string]string{"cause": string(e.Cause), "explanation": e.Text}); err != nil {
			return err
		}
	} else {
		a.linef("%s", strings.Join(wrap(printable(sentence(e.Text)), a.width()), "\n"))
	}
	if e.Cause != diagnose.None {
		return errors.New("the delivery is refused")
	}
	return nil
}

// sentence returns a text that begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// delivery reads the delivery to explain, and returns it with its time of arrival. v may be nil if a capture names the vendor.
func (a *app) delivery(ctx context.Context, v *allvendors.Vendor, headers, body, captured string) (*allvendors.Vendor, *webhook.Request, time.Time, error) {
	var none time.Time
	switch {
	case captured != "" && (headers != "" || body != ""):
		return nil, nil, none, usage("--capture already has the headers and the body: omit --headers and --body")
	case captured != "":
		return a.capturedDelivery(ctx, v, captured)
	case v == nil:
		return nil, nil, none, usage("a VENDOR is needed without --capture: one of %s", strings.Join(allvendors.Names(), ", "))
	case headers == "" || body == "":
		return nil, nil, none, usage("--headers and --body are needed, or --capture")
	case headers == "-" && body == "-":
		return nil, nil, none, usage("--headers and --body cannot both be standard input")
	}
	text, err := a.read(ctx, headers, maxCaptured)
	if err != nil {
		return nil, nil, none, err
	}
	r, err := readHeaders(text)
	if err != nil {
		return nil, nil, none, fmt.Errorf("%s: %w", headers, err)
	}
	content, err := a.read(ctx, body, maxCaptured)
	r.Body = bytes.NewReader(content)
	return v, r, time.Now(), err
}

func (a *app) capturedDelivery(ctx context.Context, v *allvendors.Vendor, path string) (*allvendors.Vendor, *webhook.Request, time.Time, error) {
	var none time.Time
	text, err := a.read(ctx, path, maxFile)
	if err != nil {
		return nil, nil, none, err
	}
	c, err := capture.Parse(text)
	if err != nil {
		return nil, nil, none, fmt.Errorf("%s: %w", path, err)
	}
	if v != nil && c.Vendor != v.Name() {
		return nil, nil, none, usage("%s is a capture of a delivery of %s, not of %s", path, printable(c.Vendor), v.Name())
	}
	if v, err = allvendors.Find(c.Vendor); err != nil {
		return nil, nil, none, fmt.Errorf("%s: %w", path, err)
	}
	if !v.Signs() {
		return nil, nil, none, usage("a capture has neither the URL nor the Authorization header, which authenticate %s: use --headers and --body", v.Name())
	}
	return v, &webhook.Request{Method: c.Method, Header: c.Header, Body: bytes.NewReader(c.Body)}, c.Arrived, nil
}

func readTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return signature.ParseUnix(s)
	}
	return time.Time{}, fmt.Errorf("%q is neither RFC 3339 nor a Unix time", s)
}
