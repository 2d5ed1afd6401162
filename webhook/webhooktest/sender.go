package webhooktest

import (
	"context"
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

// A Sender is a vendor that sends deliveries to a receiver under test, and misbehaves when told to. Each vendor's test
// kit makes its own: greenflashtest.NewSender and its peers.
//
// Each sending is a connection of its own. Whatever cannot be sent, such as a sample that is not there, is fatal to the
// test, so call the methods from the goroutine of the test. The With methods return a changed copy and leave the sender as it is.
type Sender struct {
	t      testing.TB
	vendor *Vendor
	origin string
	path   string

	handler http.Handler // nil if the receiver has a URL
	wire    *wire        // likewise

	secret   signature.Secret
	form     string
	clock    time.Duration
	schedule Schedule
}

// origin is where a handler stands that has no URL.
const origin = "http://receiver.test"

// NewSender returns a sender to h, which is served by a real net/http server on connections in memory: deadlines, slow
// bodies and dropped connections are what they are on a network. It works inside a [testing/synctest] bubble, given the
// bubble's t. The server ends with the test; a request that is still being handled 10 s later fails it.
//
// The secret signs, or is the credential in the URL where the vendor does not sign. Deliveries go to the path
// /webhooks/NAME, NAME being the vendor's; see [Sender.WithPath].
func (v *Vendor) NewSender(t testing.TB, h http.Handler, secret string) *Sender {
	t.Helper()
	s := v.newSender(t, secret)
	s.handler, s.wire = h, newWire(t, h)
	s.origin, s.path = origin, "/webhooks/"+v.Profile.Name
	s.mustSign()
	return s
}

// NewSenderTo returns a sender to the receiver at a URL. Where the vendor's credential rides in the URL, it is added.
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

// WithPath returns a sender to that path of the receiver: for a handler that is a whole router. It begins with a slash,
// and the credential of a vendor that does not sign is added to it.
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

// WithSecret returns a sender with another secret: what the vendor does once its key has been rotated, or what somebody
// does who does not know it.
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

// WithForm returns a sender that signs in the form of that name, for vendors with several. The default is the first.
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

// WithClock returns a sender whose clock is wrong by that much: in the future, or if negative in the past. A delivery
// that carries no time of the sender's fails the test when it is sent: one without a date in its header or body, one of
// [Sender.Raw], and one that another clock has dated before.
func (s *Sender) WithClock(by time.Duration) *Sender {
	changed := *s
	changed.clock = by
	return &changed
}

// WithSchedule returns a sender that sends again at other times. The default is the first of the vendor's Schedules.
func (s *Sender) WithSchedule(schedule Schedule) *Sender {
	s.t.Helper()
	if len(schedule.Attempts) == 0 || !slices.IsSorted(schedule.Attempts) {
		s.t.Fatalf("webhooktest: the attempts of the schedule %q must be in order, and at least one", schedule.Name)
	}
	changed := *s
	changed.schedule = schedule
	return &changed
}

// Request returns the request that sending the delivery now would make: for [webhook.Handler.Process], and for servers
// that are tested in ways of their own. The first request of a delivery dates it.
func (s *Sender) Request(d *Delivery) *http.Request {
	s.t.Helper()
	r, err := s.request(d)
	if err != nil {
		s.t.Fatalf("webhooktest: %v", err)
	}
	return r
}

// Process gives the delivery to the handler's Process, without a connection, and returns what became of it: for what an
// answer does not tell. The sender must be one to a [webhook.Handler], or to what embeds one, and not to a router.
func (s *Sender) Process(d *Delivery) webhook.Result {
	s.t.Helper()
	h, ok := s.handler.(interface {
		Process(ctx context.Context, r webhook.Request) webhook.Result
	})
	if !ok {
		s.t.Fatalf("webhooktest: the sender is not one to a webhook.Handler")
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

// mustSign finds out at once what would keep every delivery from being sent.
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
		return nil, s.misbehaves(d, "has no time that a wrong clock changes, so it cannot arrive late or early")
	}
	return r, nil
}

// requestAt returns the request of a delivery at that time by the sender's clock.
func (s *Sender) requestAt(d *Delivery, body []byte, now time.Time) (*http.Request, error) {
	r, err := s.signer().Request(body, now, d.ID)
	if err != nil {
		return nil, quiet(err)
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

// sameProof reports whether two requests with one body prove the same to the receiver.
func sameProof(a, b *http.Request) bool {
	return a.URL.String() == b.URL.String() && maps.EqualFunc(a.Header, b.Header, slices.Equal)
}

// misbehaves fails the test: what cannot misbehave would let it pass for nothing. It may be called on any goroutine.
func (s *Sender) misbehaves(d *Delivery, why string) error {
	s.t.Helper()
	err := fmt.Errorf("%s: the delivery %s of %s %s", s.vendor.Profile.Name, d.ID, d.Type, why)
	s.t.Errorf("webhooktest: %v", err)
	return err
}
