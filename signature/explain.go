package signature

import (
	"errors"
	"net/http"
	"time"
)

// A Question is a delivery that was refused, and what it was judged by.
type Question struct {
	// Scheme is how the sender signs. One that was made by [Scheme.Pin] remembers the forms that it does not accept.
	Scheme Scheme

	// Keys are the live keys. They remember those that were live before: see [Keyring.Set].
	Keys *Keyring

	// Header and Body are those that arrived. The names in Header must be in their canonical form.
	Header http.Header
	Body   []byte

	// Declared is the length of the body that the request declared, in bytes; zero or less if it is not known.
	Declared int64

	// SignedAt is the time that is checked against Window, for senders whose time is in the body. Defaults to the time
	// in the scheme's first header of the grammar [UnixTime].
	SignedAt time.Time

	// Window is the span in which a time is fresh. If it is zero, freshness is not looked at.
	Window Window

	// Now is the time by which freshness is judged: when the delivery arrived. Defaults to time.Now().
	Now time.Time
}

// Explain says why a delivery was refused. It tries the mistakes that are known to be made with webhooks, one at a time:
// a secret with a line break, a body that was written anew, a MAC in base64, a clock that is wrong. It claims nothing
// about a MAC but what it has proven: under that one change, a key makes the MAC that arrived. So no forgery gets a false
// explanation, and whoever does not know a key, or one that was live before, gets [Unexplained].
//
// It hashes at most 8 MiB in all, and rewrites JSON within the same bounds, so that a hostile body costs some
// milliseconds and no more; where that was not enough to try everything, the text says so. It is for logs, tests and
// tools: what it says must not go to the sender, for whom it would be a hint at what to try next.
func Explain(q Question) Explanation {
	e, _ := explain(&q)
	return e
}

func explain(q *Question) (Explanation, *search) {
	s := &search{q: q, left: budget}
	if err := q.Scheme.validate(); err != nil {
		return Explanation{Unexplained, "the scheme contradicts itself, so nothing can verify: " + err.Error()}, s
	}
	if len(q.Keys.keys()) == 0 {
		return Explanation{Unexplained, "there is no live key, so nothing can verify"}, s
	}
	for _, look := range []func(*search) (Explanation, bool){
		(*search).signatureHeader,
		(*search).otherHeaders,
		(*search).asItIs,
		(*search).emptyBody,
		(*search).otherWriting,
		(*search).retiredKeys,
		(*search).otherForms,
		(*search).otherSecrets,
		(*search).otherTimes,
		(*search).otherBodies,
		(*search).declaredLength,
	} {
		if e, ok := look(s); ok {
			return e, s
		}
	}
	if s.ended {
		return Explanation{Unexplained, "none of the known mistakes that were tried explains it, and the body is too long, or the keys are too many, to try all of them"}, s
	}
	return Explanation{Unexplained, "none of the known mistakes explains it: the delivery is forged, or was signed with a secret that was never given here, or was changed on the way"}, s
}

// asItIs looks whether the delivery verifies, and if so, whether it is fresh.
func (s *search) asItIs() (Explanation, bool) {
	if !s.readable {
		return Explanation{}, false
	}
	if _, ok := s.signed(s.q.Body); !ok {
		return Explanation{}, false
	}
	if len(s.q.Scheme.Forms) > 1 && beginsAsCovered(s.q.Body) {
		return Explanation{FormAmbiguous, "the signature is right, but the body begins as a covered header does, and such a body is refused where several forms are accepted: pin the form that the sender signs"}, true
	}
	if s.q.Window == (Window{}) {
		return Explanation{NoMistake, "nothing is wrong with the signature"}, true
	}
	now := s.q.Now
	if now.IsZero() {
		now = time.Now()
	}
	at, err := s.signedAt()
	if err != nil {
		return Explanation{NoMistake, "nothing is wrong with the signature, and no time is there that could be checked"}, true
	}
	return s.q.Window.Explain(at, now), true
}

var errNoTime = errors.New("signature: no time")

func (s *search) signedAt() (time.Time, error) {
	if !s.q.SignedAt.IsZero() {
		return s.q.SignedAt, nil
	}
	for _, f := range s.q.Scheme.Fields {
		if values := s.q.Header[f.Header]; f.Grammar == UnixTime && len(values) == 1 {
			return ParseUnix(values[0])
		}
	}
	return time.Time{}, errNoTime
}

// emptyBody says that nothing is there to be verified.
func (s *search) emptyBody() (Explanation, bool) {
	switch {
	case len(s.q.Body) > 0:
		return Explanation{}, false
	case s.q.Declared > 0:
		return Explanation{BodyEmpty, "the body is empty although the request declared one: something read it before it got here, so give the handler the body unread"}, true
	default:
		return Explanation{BodyEmpty, "the body is empty, and not signed as such: if the sender sent one, something read it before it got here, so give the handler the body unread"}, true
	}
}

// declaredLength is asked last: a body that was written anew has another length, too.
func (s *search) declaredLength() (Explanation, bool) {
	switch declared, got := s.q.Declared, int64(len(s.q.Body)); {
	case declared <= 0 || declared == got:
		return Explanation{}, false
	case got < declared:
		return Explanation{BodyLength, "the body is shorter than the request declared: something cut it off or changed it, so pass the body on as it was received"}, true
	default:
		return Explanation{BodyLength, "the body is longer than the request declared: something changed it, so pass the body on as it was received"}, true
	}
}
