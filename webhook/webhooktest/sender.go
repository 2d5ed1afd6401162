package webhooktest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Sender sends deliveries to a receiver under test, like a vendor. It can also send bad requests. Each vendor's test kit
// has a NewSender, such as greenflashtest.NewSender.
//
// Each request uses a new connection. A mistake of the test, such as an unknown sample, calls Fatalf. So call the methods
// from the goroutine of the test. The With methods return a changed copy.
type Sender struct {
	t      testing.TB
	vendor *Vendor
	origin string
	path   string

	handler http.Handler // nil if the receiver has a URL
	mem     *memServer   // nil if the receiver has a URL

	secret   signature.Secret
	form     string
	clock    time.Duration
	schedule Schedule
}

// origin is the origin of a handler without a URL.
const origin = "http://receiver.test"

// NewSender returns a sender to h. A real net/http server serves h on connections in memory, so deadlines, slow bodies and
// dropped connections behave as on a network. It works in a [testing/synctest] bubble with the bubble's t. The server ends
// with the test. The test fails if a request is still being handled 10 s later.
//
// The sender signs with the secret. If the vendor does not sign, the secret is the credential in the URL. The path is
// /webhooks/NAME, with the vendor's name. To change it, see [Sender.WithPath].
func (v *Vendor) NewSender(t testing.TB, h http.Handler, secret string) *Sender {
	t.Helper()
	s := v.newSender(t, secret)
	s.handler, s.mem = h, newMemServer(t, h)
	s.origin, s.path = origin, "/webhooks/"+v.Profile.Name
	s.mustSign()
	return s
}

// NewSenderTo returns a sender to the receiver at a URL. If the vendor's credential is part of the URL, the sender adds it.
func (v *Vendor) NewSenderTo(t testing.TB, address, secret string) *Sender {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		t.Fatalf("webhooktest: the address of the receiver must be a URL with a scheme and a host")
	}
	s := v.newSender(t, secret)
	path := len(address)
	if i := strings.IndexAny(address[len(u.Scheme)+len("://"):], "/?#"); i >= 0 {
		path = len(u.Scheme) + len("://") + i
	}
	s.origin, s.path = address[:path], address[path:]
	s.mustSign()
	return s
}

func (v *Vendor) newSender(t testing.TB, secret string) *Sender {
	own := *v
	s := &Sender{t: t, vendor: &own, secret: signature.NewSecret(secret)}
	s.schedule = Schedule{Name: "it never retries", Attempts: Minutes(0)}
	if len(v.Schedules) > 0 {
		s.schedule = v.Schedules[0]
	}
	return s
}

// WithPath returns a sender to that path of the receiver. Use it if the receiver is a router. The path must begin with a
// slash. If the vendor does not sign, the sender adds the credential to the path.
func (s *Sender) WithPath(path string) *Sender {
	s.t.Helper()
	if path == "" || path[0] != '/' {
		s.t.Fatalf("webhooktest: the path %q must begin with a slash", path)
	}
	changed := *s
	changed.path = path
	changed.mustSign()
	return &changed
}

// WithSecret returns a sender with another secret, to test a key rotation or a wrong secret.
func (s *Sender) WithSecret(secret string) *Sender {
	s.t.Helper()
	if s.vendor.Profile.Scheme == nil && s.vendor.Address == nil {
		s.t.Fatalf("webhooktest: %s has no secret: its Profile has no Scheme, and its Vendor no Address", s.vendor.Profile.Name)
	}
	changed := *s
	changed.secret = signature.NewSecret(secret)
	changed.mustSign()
	return &changed
}

// WithForm returns a sender that signs in the form of that name, for vendors with several. Defaults to the first form.
func (s *Sender) WithForm(form string) *Sender {
	s.t.Helper()
	if s.vendor.Profile.Scheme == nil {
		s.t.Fatalf("webhooktest: %s signs nothing, so there is no form %q", s.vendor.Profile.Name, form)
	}
	changed := *s
	changed.form = form
	changed.mustSign()
	return &changed
}

// WithClock returns a sender whose clock is wrong by that duration. A negative duration is in the past. Sending a delivery
// fails the test if the delivery has no time from this clock. That is so if it has no date in a header or in the body, if it
// is from [Sender.Raw] and has no time header, or if another clock has dated it.
func (s *Sender) WithClock(by time.Duration) *Sender {
	changed := *s
	changed.clock = by
	return &changed
}

// WithSchedule returns a sender with another retry schedule. Defaults to the first of the vendor's Schedules.
func (s *Sender) WithSchedule(schedule Schedule) *Sender {
	s.t.Helper()
	if len(schedule.Attempts) == 0 || !slices.IsSorted(schedule.Attempts) {
		s.t.Fatalf("webhooktest: the schedule %q must have at least one attempt, and its attempts must be in order", schedule.Name)
	}
	changed := *s
	changed.schedule = schedule
	return &changed
}

// Request returns the request that Send would send now. Use it for [webhook.Handler.Process], or with another HTTP client.
// The first request of a delivery sets its date.
func (s *Sender) Request(d *Delivery) *http.Request {
	s.t.Helper()
	r, err := s.request(d)
	if err != nil {
		s.t.Fatalf("webhooktest: %v", err)
	}
	return r
}

// Process passes the delivery to the handler's Process method, without a connection. Use it to check the outcome, which is
// not in the response. The receiver must be a [webhook.Handler] or embed one. It must not be a router.
func (s *Sender) Process(d *Delivery) webhook.Result {
	s.t.Helper()
	h, ok := s.handler.(webhook.VendorHandler)
	if !ok {
		s.t.Fatalf("webhooktest: Process: the receiver must be a webhook.Handler or embed one")
	}
	r := s.Request(d)
	return h.Process(s.t.Context(), webhook.Request{
		Method: r.Method, URL: r.URL, Header: r.Header, Body: r.Body, ContentLength: r.ContentLength,
	})
}

func (s *Sender) signer() *Signer {
	signer := s.vendor.Signer(s.origin+s.path, signature.Key{Name: "sender", Secret: s.secret})
	signer.Form = s.form
	return signer
}

func (s *Sender) now() time.Time { return time.Now().Add(s.clock) }

// mustSign fails the test if the sender cannot send any delivery.
func (s *Sender) mustSign() {
	s.t.Helper()
	if _, err := s.signer().Request([]byte(`{}`), s.now(), "id"); err != nil {
		s.t.Fatalf("webhooktest: %s cannot send: %v", s.vendor.Profile.Name, quiet(err))
	}
}

func (s *Sender) request(d *Delivery) (*http.Request, error) {
	now := s.now()
	body, clock := d.dated(s.signer(), now, s.clock)
	r, err := s.requestAt(d, body, now)
	if err != nil || s.clock == 0 {
		return r, err
	}
	if member(body, s.vendor.Profile.Envelope.Time) != nil && clock == s.clock {
		return r, nil
	}
	if other, err := s.requestAt(d, body, now.Add(time.Hour)); err != nil || sameProof(r, other) {
		return nil, s.cannotSend(d, "has no time that a wrong clock changes, so it cannot arrive late or early")
	}
	return r, nil
}

// requestAt returns the request of a delivery at that time of the sender's clock.
func (s *Sender) requestAt(d *Delivery, body []byte, now time.Time) (*http.Request, error) {
	r, err := s.signer().Request(body, now, d.ID)
	if err != nil {
		return nil, quiet(err)
	}
	if name := s.vendor.Profile.TypeHeader; name != "" {
		r.Header.Set(name, d.Type)
	}
	for name, values := range d.Header {
		if len(values) == 0 {
			r.Header.Del(name)
		} else {
			r.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	return r, nil
}

// sameProof reports whether two requests with the same body have the same URL and headers.
func sameProof(a, b *http.Request) bool {
	return a.URL.String() == b.URL.String() && maps.EqualFunc(a.Header, b.Header, slices.Equal)
}

// cannotSend fails the test, because a request that is not bad would make the test pass. It may be called on any goroutine.
func (s *Sender) cannotSend(d *Delivery, why string) error {
	s.t.Helper()
	err := fmt.Errorf("%s: the delivery %s of %s %s", s.vendor.Profile.Name, d.ID, d.Type, why)
	s.t.Errorf("webhooktest: %v", err)
	return err
}
