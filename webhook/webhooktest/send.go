package webhooktest

import (
	"slices"
	"sync"
	"time"
)

// Send sends the delivery once.
func (s *Sender) Send(d *Delivery) Answer {
	s.t.Helper()
	return s.send(d, manner{})
}

// SendTwice sends the delivery, and once it has been answered, again.
func (s *Sender) SendTwice(d *Delivery) Answers {
	s.t.Helper()
	return Answers{s.Send(d), s.Send(d)}
}

// SendTwiceAtOnce sends the delivery twice, at the same time: neither body is sent before the handler reads both, or, at
// a URL, before the headers of both have been sent. A handler that lets in one at a time is sent the first after 1 s.
func (s *Sender) SendTwiceAtOnce(d *Delivery) Answers {
	s.t.Helper()
	return s.SendCopies(d, 2, 2)
}

// SendCopies sends the delivery n times in all, by m senders, each of which sends its share one after the other. They
// begin at once, as [Sender.SendTwiceAtOnce] does. The answers come in no particular order.
func (s *Sender) SendCopies(d *Delivery, n, m int) Answers {
	s.t.Helper()
	if m < 1 || n < m {
		s.t.Fatalf("webhooktest: %d copies cannot be sent by %d senders", n, m)
	}
	answers := make(Answers, n)
	together := newBarrier(m)
	var all sync.WaitGroup
	for first := range m {
		all.Go(func() {
			for i := first; i < n; i += m {
				var how manner
				if i == first {
					how.body = together.hold
				}
				answers[i] = s.send(d, how)
			}
		})
	}
	all.Wait()
	return answers
}

// SendOutOfOrder sends the deliveries last first, one after the other. They are dated a second apart in the order in
// which they are given, the last one now; so are the answers.
func (s *Sender) SendOutOfOrder(ds ...*Delivery) Answers {
	s.t.Helper()
	if len(ds) == 0 {
		s.t.Fatalf("webhooktest: there is no delivery to send")
	}
	now := s.now()
	for i, d := range ds {
		d.dated(s.signer(), now.Add(-time.Duration(len(ds)-1-i)*time.Second), s.clock)
	}
	answers := make(Answers, len(ds))
	for i, d := range slices.Backward(ds) {
		answers[i] = s.Send(d)
	}
	return answers
}

// SendLate sends the delivery so that it arrives now, that long after it was signed. See [Sender.WithClock] for the
// deliveries that cannot be late.
func (s *Sender) SendLate(d *Delivery, by time.Duration) Answer {
	s.t.Helper()
	return s.WithClock(s.clock - by).Send(d)
}

// SendSlowly sends the delivery with a body that takes that long. The vendor's patience begins after that.
func (s *Sender) SendSlowly(d *Delivery, over time.Duration) Answer {
	s.t.Helper()
	return s.send(d, manner{body: slowly(over), takes: over})
}

// SendTruncated sends the delivery and drops the connection in the middle of the body. There is no answer. In memory it
// returns once the handler has.
func (s *Sender) SendTruncated(d *Delivery) Answer {
	s.t.Helper()
	return s.send(d, manner{body: halfOf})
}

// SendAndHangUp sends the delivery and drops the connection before the answer is read: in memory while the handler is
// at work, and it returns once the handler has; at a URL as soon as the request has been sent.
func (s *Sender) SendAndHangUp(d *Delivery) Answer {
	s.t.Helper()
	return s.send(d, manner{body: whole, hangUp: true})
}

// SendForged sends the delivery as somebody would who does not know the secret. It fails the test if the secret changes
// nothing in the request: the vendor's Profile has no Scheme and its Vendor no Address, or [Delivery.Header] replaces
// what proves the sender.
func (s *Sender) SendForged(d *Delivery) Answer {
	s.t.Helper()
	forger := *s
	forger.secret = forgeries()
	if !s.proves(d, &forger) {
		s.t.Fatalf("webhooktest: %s: no secret proves the delivery %s of %s, so nobody can forge it: set Profile.Scheme or Vendor.Address", s.vendor.Profile.Name, d.ID, d.Type)
	}
	return forger.Send(d)
}

// proves reports whether the secret shows in the request.
func (s *Sender) proves(d *Delivery, forger *Sender) bool {
	if s.secret.Blank() {
		return false
	}
	now := s.now()
	body, _ := d.dated(s.signer(), now, s.clock)
	genuine, err := s.requestAt(d, body, now)
	if err != nil {
		return true // which sending it reports
	}
	forged, err := forger.requestAt(d, body, now)
	return err != nil || !sameProof(genuine, forged)
}

// SendTampered sends the delivery with a blank that was added to its body after it was signed.
func (s *Sender) SendTampered(d *Delivery) Answer {
	s.t.Helper()
	if s.vendor.Profile.Scheme == nil {
		s.t.Fatalf("webhooktest: %s signs nothing, so nobody can tell that a delivery was tampered with", s.vendor.Profile.Name)
	}
	return s.send(d, manner{tampered: true})
}

// Deliver sends the delivery as the vendor does: until an answer that is not retried, or to the end of the schedule. No
// answer is retried. It returns all answers, the last one last; a Retry-After in them is not heeded, of which all
// vendors are silent.
//
// It sleeps as long as the schedule says: an instant inside a [testing/synctest] bubble, and up to 81 minutes outside.
func (s *Sender) Deliver(d *Delivery) Answers {
	s.t.Helper()
	var answers Answers
	began := time.Now()
	for _, at := range s.schedule.Attempts {
		time.Sleep(time.Until(began.Add(at)))
		answer := s.Send(d)
		answers = append(answers, answer)
		if answer.Err == nil && !s.vendor.retried(answer.Status) {
			break
		}
	}
	return answers
}
