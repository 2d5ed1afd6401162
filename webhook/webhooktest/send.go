package webhooktest

import (
	"slices"
	"sync"
	"time"
)

// Send sends the delivery once.
func (s *Sender) Send(d *Delivery) Response {
	s.t.Helper()
	return s.send(d, sendMode{})
}

// SendTwice sends the delivery, waits for the response, and sends it again.
func (s *Sender) SendTwice(d *Delivery) Responses {
	s.t.Helper()
	return Responses{s.Send(d), s.Send(d)}
}

// SendTwiceAtOnce sends the delivery twice at the same time. It sends the bodies only once the handler reads both of them.
// To a URL, it sends them once the headers of both are sent. If the handler processes only one request at a time, the first
// body is sent after 1 s.
func (s *Sender) SendTwiceAtOnce(d *Delivery) Responses {
	s.t.Helper()
	return s.SendCopies(d, 2, 2)
}

// SendCopies sends the delivery n times in total, from m concurrent senders. Each sends its share one after the other. Their
// first requests are simultaneous, as in [Sender.SendTwiceAtOnce]. The order of the responses is not defined.
func (s *Sender) SendCopies(d *Delivery, n, m int) Responses {
	s.t.Helper()
	if m < 1 || n < m {
		s.t.Fatalf("webhooktest: SendCopies: n (%d) must be at least m (%d), and m at least 1", n, m)
	}
	responses := make(Responses, n)
	together := newBarrier(m)
	var all sync.WaitGroup
	for first := range m {
		all.Go(func() {
			for i := first; i < n; i += m {
				var how sendMode
				if i == first {
					how.body = together.hold
				}
				responses[i] = s.send(d, how)
			}
		})
	}
	all.Wait()
	return responses
}

// SendOutOfOrder sends the deliveries one after the other, the last one first. Their dates are one second apart in the order
// of the arguments, and the last one is dated now. The responses have the order of the arguments.
func (s *Sender) SendOutOfOrder(ds ...*Delivery) Responses {
	s.t.Helper()
	if len(ds) == 0 {
		s.t.Fatalf("webhooktest: SendOutOfOrder must have at least one delivery")
	}
	now := s.now()
	for i, d := range ds {
		d.dated(s.signer(), now.Add(-time.Duration(len(ds)-1-i)*time.Second), s.clock)
	}
	responses := make(Responses, len(ds))
	for i, d := range slices.Backward(ds) {
		responses[i] = s.Send(d)
	}
	return responses
}

// SendLate sends the delivery with a date and a signature that are older by that duration. See [Sender.WithClock] for the
// deliveries that cannot be late.
func (s *Sender) SendLate(d *Delivery, by time.Duration) Response {
	s.t.Helper()
	return s.WithClock(s.clock - by).Send(d)
}

// SendSlowly sends the delivery and spreads its body over that duration. The vendor's timeout begins after that.
func (s *Sender) SendSlowly(d *Delivery, over time.Duration) Response {
	s.t.Helper()
	return s.send(d, sendMode{body: slowly(over), takes: over})
}

// SendTruncated sends the delivery and drops the connection in the middle of the body. There is no response. In memory, it
// returns once the handler has returned.
func (s *Sender) SendTruncated(d *Delivery) Response {
	s.t.Helper()
	return s.send(d, sendMode{body: halfOf})
}

// SendAndHangUp sends the delivery and drops the connection before it reads the response. In memory, it drops the connection
// while the handler runs, and returns once the handler has returned. To a URL, it drops it once the request is sent.
func (s *Sender) SendAndHangUp(d *Delivery) Response {
	s.t.Helper()
	return s.send(d, sendMode{body: whole, hangUp: true})
}

// SendForged sends the delivery with a random secret. It fails the test if the secret changes nothing in the request. That
// is so if the vendor has neither Profile.Scheme nor Vendor.Address, or if [Delivery.Header] replaces the signature.
func (s *Sender) SendForged(d *Delivery) Response {
	s.t.Helper()
	forger := *s
	forger.secret = s.randomSecret()
	if !s.proves(d, &forger) {
		s.t.Fatalf("webhooktest: %s: the delivery %s of %s cannot be forged, because it does not depend on a secret: set Profile.Scheme or Vendor.Address", s.vendor.Profile.Name, d.ID, d.Type)
	}
	return forger.Send(d)
}

// proves reports whether the request depends on the secret.
func (s *Sender) proves(d *Delivery, forger *Sender) bool {
	if s.secret.Blank() {
		return false
	}
	now := s.now()
	body, _ := d.dated(s.signer(), now, s.clock)
	genuine, err := s.requestAt(d, body, now)
	if err != nil {
		return true // sending it will report the error
	}
	forged, err := forger.requestAt(d, body, now)
	return err != nil || !sameProof(genuine, forged)
}

// SendTampered signs the delivery, adds a space to its body, and sends it.
func (s *Sender) SendTampered(d *Delivery) Response {
	s.t.Helper()
	if s.vendor.Profile.Scheme == nil {
		s.t.Fatalf("webhooktest: %s signs nothing, so a receiver cannot detect a tampered delivery", s.vendor.Profile.Name)
	}
	return s.send(d, sendMode{tampered: true})
}

// Deliver sends the delivery and retries like the vendor. It stops after a response that the vendor does not retry, or at
// the end of the schedule. It retries if there is no response. It returns all responses in order. It ignores Retry-After,
// because all vendors are silent about it.
//
// It sleeps between the attempts. That takes no real time in a [testing/synctest] bubble, and up to 81 minutes outside.
func (s *Sender) Deliver(d *Delivery) Responses {
	s.t.Helper()
	var responses Responses
	began := time.Now()
	for _, at := range s.schedule.Attempts {
		time.Sleep(time.Until(began.Add(at)))
		response := s.Send(d)
		responses = append(responses, response)
		if response.Err == nil && !s.vendor.retried(response.Status) {
			break
		}
	}
	return responses
}
