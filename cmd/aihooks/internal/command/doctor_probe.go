package command

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
)

// A doctor examines one endpoint. Checks share what they have learned.
type doctor struct {
	vendor     *allvendors.Vendor
	options    *doctorOptions
	secret     signature.Secret
	secretFrom string // the variable or the file
	target     *url.URL
	client     *http.Client
	roots      *x509.CertPool // nil means those of the system

	test   roundTrip   // of the test event, by checkEndpoint
	trips  []roundTrip // all that got a response
	box    *boxes.Box
	counts inbox.Stats // of box
}

const (
	// doctorType is the type of doctor's events. No vendor documents it, so no callback of a type runs.
	doctorType = "aihooks.doctor"

	// doctorID is the id of all of doctor's events, so that an inbox stores at most one with an id.
	doctorID = "aihooks-doctor"

	// doctorAge is older than every window, because a handler allows at most a year. A handler responds 200 to an old event
	// of an undocumented type, and neither stores it nor runs OnUnhandled.
	doctorAge = 2 * 365 * 24 * time.Hour
)

// A roundTrip is a request and its response.
type roundTrip struct {
	status int // zero without a response
	header http.Header
	began  time.Time
	took   time.Duration // until the end of the response
	err    error
}

func (t *roundTrip) accepted() bool { return t.status >= 200 && t.status <= 299 }

// responds describes the status for a sentence that begins with "The endpoint".
func (t *roundTrip) responds() string {
	if t.err != nil {
		return "does not respond: " + t.err.Error()
	}
	return "responds " + statusText(t.status)
}

// A probe is a delivery that doctor sends.
type probe struct {
	body    []byte
	age     time.Duration // of the signed time; negative means in the future
	forged  bool          // signed with a random secret, or sent with a random token
	chunked bool          // sent without a Content-Length
}

// newProbeClient returns a client that waits as long as the vendor does. It does not ask for compressed responses.
func newProbeClient(v *allvendors.Vendor) *http.Client {
	t := transport(1)
	t.DisableCompression = true
	return &http.Client{
		Timeout:       v.Profile.RespondWithin,
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // vendors follow no redirects
	}
}

// send sends a probe.
func (d *doctor) send(ctx context.Context, p *probe) roundTrip {
	r, err := d.request(p)
	if err != nil {
		return roundTrip{err: withoutURL(err)}
	}
	t := roundTrip{began: time.Now()}
	response, err := d.client.Do(r.WithContext(ctx))
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxResponse))
		_ = response.Body.Close()
	}
	t.took = time.Since(t.began)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		err = fmt.Errorf("it took longer than %v", t.took.Round(time.Millisecond))
	}
	if err != nil {
		t.err = withoutURL(err)
		return t
	}
	t.status, t.header = response.StatusCode, response.Header
	d.trips = append(d.trips, t)
	return t
}

func (d *doctor) request(p *probe) (*http.Request, error) {
	address, secret := d.options.url, d.secret
	if p.forged {
		random := randomSecret()
		if !d.vendor.Signs() { // the URL may have the token already
			address = strings.ReplaceAll(address, url.PathEscape(secret.Reveal()), random.Reveal())
		}
		secret = random
	}
	r, err := signer(d.vendor, address, d.options.form, secret).Request(p.body, time.Now().Add(-p.age), doctorID)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "aihooks-doctor")
	if p.chunked {
		r.Body, r.GetBody, r.ContentLength = io.NopCloser(bytes.NewReader(p.body)), nil, -1
	}
	return r, nil
}

// event returns the body of an event with a note, which is a JSON value. The body is compact, has its members in
// alphabetical order and, except for the note, has only strings of ASCII. So most JSON libraries write it unchanged.
func (d *doctor) event(eventType string, age time.Duration, note string) []byte {
	names := &d.vendor.Profile.Envelope
	members := []string{member(names.Type[0], quoted(eventType))}
	data := "data"
	if len(names.Data) > 0 {
		data = names.Data[0]
	}
	members = append(members, member(data, "{"+member("note", note)+"}"))
	if len(names.ID) > 0 {
		members = append(members, member(names.ID[0], quoted(doctorID)))
	}
	if len(names.Time) > 0 && d.vendor.Profile.Window > 0 {
		members = append(members, member(names.Time[0], quoted(time.Now().Add(-age).UTC().Format(time.RFC3339))))
	}
	slices.Sort(members)
	return []byte("{" + strings.Join(members, ",") + "}")
}

func member(name, value string) string { return quoted(name) + ":" + value }

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // encoding/json marshals every string
	}
	return string(text)
}

// testEvent returns the event that the endpoint must accept.
func (d *doctor) testEvent() probe {
	age := doctorAge
	if d.options.fresh {
		age = 0
	}
	return probe{body: d.event(doctorType, age, quoted("a test of aihooks doctor")), age: age}
}

// hide replaces the secret in a text, with and without the whitespace around it.
func (d *doctor) hide(text string) string {
	trimmed := signature.NewSecret(strings.TrimSpace(d.secret.Reveal()))
	return (&outgoing{secret: trimmed}).hide((&outgoing{secret: d.secret}).hide(text))
}

func (d *doctor) close() error {
	d.client.CloseIdleConnections()
	if d.box == nil {
		return nil
	}
	return d.box.Close()
}

// signedHeaders names the headers that authenticate a delivery.
func (d *doctor) signedHeaders() string {
	names := []string{d.vendor.Profile.Scheme.Header}
	for _, field := range d.vendor.Profile.Scheme.Fields {
		names = append(names, field.Name())
	}
	return strings.Join(names, ", ")
}

// waits describes the vendor's deadline.
func (d *doctor) waits() string {
	return fmt.Sprintf("%s waits for %v", d.vendor.Name(), d.vendor.Profile.RespondWithin)
}
