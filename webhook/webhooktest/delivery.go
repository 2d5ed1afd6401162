package webhooktest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// A Delivery is one event that a [Sender] sends, once or several times. Change the fields before it is first sent.
type Delivery struct {
	// ID identifies the delivery. It is in the vendor's id header, and in the body if the body has an id.
	ID string

	// Type is the event's type as the vendor writes it.
	Type string

	// Body is signed and sent. When it is first sent, the date in its envelope is set. Later sends keep that date, like a
	// vendor's retries. The exception is [Sender.Raw].
	Body []byte

	// Header replaces headers of the request after signing. A name without values removes the header.
	Header http.Header

	mu    sync.Mutex
	done  bool          // the date in Body does not change any more
	clock time.Duration // error of the clock that dated Body
}

// dated returns the body, and the error of the clock that dated it. It dates a body that has not been sent before.
func (d *Delivery) dated(s *Signer, now time.Time, clock time.Duration) ([]byte, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		d.Body = s.Stamp(d.Body, now)
		d.done, d.clock = true, clock
	}
	return slices.Clone(d.Body), d.clock
}

// Sample returns a new delivery of the vendor's sample of that name. Without such a sample, it takes the first sample of
// that type. The delivery has a new id, so two deliveries of one sample are two events.
func (s *Sender) Sample(name string) *Delivery {
	s.t.Helper()
	var names []string
	for _, sample := range s.vendor.Samples {
		if sample.Name == name {
			return s.sample(&sample)
		}
		names = append(names, sample.Name)
	}
	for _, sample := range s.vendor.Samples {
		if sample.Type == name {
			return s.sample(&sample)
		}
	}
	s.t.Fatalf("webhooktest: %s has no sample %q; it has %s", s.vendor.Profile.Name, name, strings.Join(names, ", "))
	return nil
}

// Samples returns a new delivery of each of the vendor's samples.
func (s *Sender) Samples() []*Delivery {
	all := make([]*Delivery, len(s.vendor.Samples))
	for i := range s.vendor.Samples {
		all[i] = s.sample(&s.vendor.Samples[i])
	}
	return all
}

func (s *Sender) sample(sample *Sample) *Delivery {
	id := newID()
	return &Delivery{ID: id, Type: sample.Type, Body: s.unique(slices.Clone(sample.Body), id)}
}

// Raw returns a delivery of that body, which is sent byte for byte. Its date and its id are not set.
func (s *Sender) Raw(body []byte) *Delivery {
	return &Delivery{ID: newID(), Type: (&Signer{Profile: s.vendor.Profile}).Type(body), Body: slices.Clone(body), done: true}
}

func (s *Sender) unique(body []byte, id string) []byte {
	return (&Signer{Profile: s.vendor.Profile}).Unique(body, id)
}

// newID returns an id that is unique across test runs, because a store may keep keys of an earlier run.
func newID() string { return "test_" + strings.ToLower(rand.Text()) }

// randomSecret returns the secret of a forged delivery.
func (s *Sender) randomSecret() signature.Secret {
	if scheme := s.vendor.Profile.Scheme; scheme != nil {
		return scheme.NewRandomKey("forged").Secret
	}
	return signature.NewSecret(rand.Text())
}
