package diagnose

import (
	"errors"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// An Input is a delivery that was refused, and what it was judged by.
type Input struct {
	// Scheme is how the sender signs. One that was made by [signature.Scheme.Pin] remembers the forms that it does not accept.
	Scheme signature.Scheme

	// Keys are the live keys. They remember those that were live before: see [signature.Keyring.Previous].
	Keys *signature.Keyring

	// Header and Body are those that arrived. The names in Header must be in their canonical form.
	Header http.Header
	Body   []byte

	// Declared is the length of the body that the request declared, in bytes; zero or less if it is not known.
	Declared int64

	// SignedAt is the time that is checked against Window, for senders whose time is in the body. Defaults to the time
	// in the scheme's first header of the grammar [signature.UnixTime].
	SignedAt time.Time

	// Window is the span in which a time is fresh. If it is zero, freshness is not looked at.
	Window signature.Window

	// Now is the time by which freshness is judged: when the delivery arrived. Defaults to time.Now().
	Now time.Time
}

// Explain says why a delivery was refused. It tries the causes that are known of webhooks, one at a time: a secret with a
// line break, a body that was parsed and written again, a MAC in base64, a clock that is wrong. It claims nothing about a
// MAC but what it has proven: under that one change, a key makes the MAC that arrived. So no forgery gets a false
// explanation: a sender that knows neither a live key nor a previous one gets [Unexplained].
//
// It hashes at most 4 MiB in all, and rewrites JSON within the same bounds, so a hostile body costs some milliseconds and
// no more. If that was not enough to try everything, the text says so. Explain is for logs, tests and tools: its text must not
// go to the sender, because it would hint at what to try next.
func Explain(in Input) Explanation { return newDiagnoser(&in).explain() }

func (d *diagnoser) explain() Explanation {
	if _, err := signature.NewVerifier(d.in.Scheme); err != nil {
		return Explanation{Unexplained, "the scheme contradicts itself, so nothing can verify: " + err.Error()}
	}
	if len(d.live) == 0 {
		return Explanation{Unexplained, "there is no live key, so nothing can verify"}
	}
	for _, look := range []func(*diagnoser) (Explanation, bool){
		(*diagnoser).signatureHeader,
		(*diagnoser).otherHeaders,
		(*diagnoser).asItIs,
		(*diagnoser).emptyBody,
		(*diagnoser).otherWriting,
		(*diagnoser).previousKeys,
		(*diagnoser).otherForms,
		(*diagnoser).otherSecrets,
		(*diagnoser).otherTimes,
		(*diagnoser).otherBodies,
		(*diagnoser).declaredLength,
	} {
		if e, ok := look(d); ok {
			return e
		}
	}
	if d.ended {
		return Explanation{Unexplained, "none of the known mistakes that were tried explains it, and the body is too long, or the keys are too many, to try all of them"}
	}
	return Explanation{Unexplained, "none of the known mistakes explains it: the delivery is forged, or was signed with a secret that was never given here, or was changed on the way"}
}

// asItIs looks whether the delivery verifies, and if so, whether it is fresh.
func (d *diagnoser) asItIs() (Explanation, bool) {
	if !d.readable {
		return Explanation{}, false
	}
	if !d.signed(d.in.Body) {
		return Explanation{}, false
	}
	if d.in.Scheme.Ambiguous(d.in.Body) {
		return Explanation{FormAmbiguous, "the signature is right, but the body begins as a covered header does, and such a body is refused where several forms are accepted: pin the form that the sender signs"}, true
	}
	if d.in.Window == (signature.Window{}) {
		return Explanation{None, "nothing is wrong with the signature"}, true
	}
	now := d.in.Now
	if now.IsZero() {
		now = time.Now()
	}
	at, err := d.signedAt()
	if err != nil {
		return Explanation{None, "nothing is wrong with the signature, and no time is there that could be checked"}, true
	}
	return ExplainTime(d.in.Window, at, now), true
}

var errNoTime = errors.New("diagnose: no time")

func (d *diagnoser) signedAt() (time.Time, error) {
	if !d.in.SignedAt.IsZero() {
		return d.in.SignedAt, nil
	}
	for _, f := range d.in.Scheme.Fields {
		if values := d.in.Header[f.Header]; f.Grammar == signature.UnixTime && len(values) == 1 {
			return signature.ParseUnix(values[0])
		}
	}
	return time.Time{}, errNoTime
}

// emptyBody says that nothing is there to be verified.
func (d *diagnoser) emptyBody() (Explanation, bool) {
	switch {
	case len(d.in.Body) > 0:
		return Explanation{}, false
	case d.in.Declared > 0:
		return Explanation{BodyEmpty, "the body is empty although the request declared one: something read it before it got here, so give the handler the body unread"}, true
	default:
		return Explanation{BodyEmpty, "the body is empty, and not signed as such: if the sender sent one, something read it before it got here, so give the handler the body unread"}, true
	}
}

// declaredLength is asked last: a body that was written again has another length, too.
func (d *diagnoser) declaredLength() (Explanation, bool) {
	switch declared, got := d.in.Declared, int64(len(d.in.Body)); {
	case declared <= 0 || declared == got:
		return Explanation{}, false
	case got < declared:
		return Explanation{BodyLength, "the body is shorter than the request declared: something cut it off or changed it, so pass the body on as it was received"}, true
	default:
		return Explanation{BodyLength, "the body is longer than the request declared: something changed it, so pass the body on as it was received"}, true
	}
}
