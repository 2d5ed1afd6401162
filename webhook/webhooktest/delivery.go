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

// A Delivery is one event that a [Sender] delivers, however often it sends it. Change the fields before the first
// sending.
type Delivery struct {
	// ID is the delivery's own: what the vendor's header for it carries, and what the body was given where it has an id.
	ID string

	// Type is the event's type as the vendor writes it.
	Type string

	// Body is what is signed and sent. Its envelope is dated when it is first sent and the same from then on, as
	// retries are; but see [Sender.Raw].
	Body []byte

	// Header holds headers that replace those that the vendor sends, after signing; one without values removes its
	// name.
	Header http.Header

	mu    sync.Mutex
	done  bool          // the date in Body stays as it is
	clock time.Duration // by which the sender that dated it was wrong
}

// dated returns the body, dated now if it has not been sent before, and by how much the clock that dated it was wrong.
func (d *Delivery) dated(s *Signer, now time.Time, clock time.Duration) ([]byte, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		d.Body = s.Stamp(d.Body, now)
		d.done, d.clock = true, clock
	}
	return slices.Clone(d.Body), d.clock
}

// Sample returns a new delivery of the vendor's sample of that name, or else of the first of that type. It has an id of
// its own: two deliveries of one sample are two events.
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
	s.t.Fatalf("webhooktest: %s has no sample %q; there are %s", s.vendor.Profile.Name, name, strings.Join(names, ", "))
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

// Raw returns a delivery of that body, which is sent byte for byte: it is neither dated nor given an id.
func (s *Sender) Raw(body []byte) *Delivery {
	return &Delivery{ID: newID(), Type: (&Signer{Profile: s.vendor.Profile}).Type(body), Body: slices.Clone(body), done: true}
}

func (s *Sender) unique(body []byte, id string) []byte {
	return (&Signer{Profile: s.vendor.Profile}).Unique(body, id)
}

// newID returns an id that no other delivery has, whichever test it is of: stores may outlive tests.
func newID() string { return "test_" + strings.ToLower(rand.Text()) }

// forgeries are signed with what nobody knows.
func forgeries() signature.Secret { return signature.NewSecret(rand.Text()) }
