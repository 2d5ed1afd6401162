package diagnose

import (
	"errors"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// An Input is a refused delivery, and what it was verified with.
type Input struct {
	// Scheme is how the sender signs. A scheme of [signature.Scheme.Pin] remembers the forms that it does not accept.
	Scheme signature.Scheme

	// Keys are the live keys. They remember the previous keys: see [signature.Keyring.Previous].
	Keys *signature.Keyring

	// Header and Body are those received. The names in Header must be in canonical form.
	Header http.Header
	Body   []byte

	// Declared is the length in bytes that the request declared for the body. It is zero or less if unknown.
	Declared int64

	// SignedAt is the time to check against Window, for senders that send it in the body. Defaults to the scheme's first
	// header with the grammar [signature.UnixTime].
	SignedAt time.Time

	// Window is the range in which a time is fresh. If it is zero, Explain does not check freshness.
	Window signature.Window

	// Now is the time at which the delivery arrived. The lifetimes of keys are checked against it too. Defaults to
	// time.Now().
	Now time.Time
}

func (in *Input) now() time.Time {
	if in.Now.IsZero() {
		return time.Now()
	}
	return in.Now
}

// Explain returns why a delivery was refused. It tries the known causes one at a time. Examples are a secret with a line
// break, a body that was parsed and serialized again, a MAC in base64, or a wrong clock. It reports a cause only if it
// is proven: with that one change, a key makes the MAC that arrived. So a forgery gets no false explanation: without a
// live or previous key, a sender gets [Unexplained].
//
// Explain hashes at most 4 MiB in all, and rewrites JSON within the same limit, so a hostile body costs only some
// milliseconds. If the limit was reached, the text says so. Explain is for logs, tests and tools. Its text must not go
// to the sender, because it would help a forger.
func Explain(in Input) Explanation { return newDiagnoser(&in).explain() }

func (d *diagnoser) explain() Explanation {
	if _, err := signature.NewVerifier(d.in.Scheme); err != nil {
		return Explanation{Unexplained, "the scheme is invalid, so nothing can verify: " + err.Error()}
	}
	if len(d.live)+len(d.outside) == 0 {
		return Explanation{Unexplained, "there is no live key, so nothing can verify"}
	}
	for _, look := range []func(*diagnoser) (Explanation, bool){
		(*diagnoser).signatureHeader,
		(*diagnoser).otherFields,
		(*diagnoser).asItIs,
		(*diagnoser).emptyBody,
		(*diagnoser).otherWriting,
		(*diagnoser).outsideLifetime,
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
	if len(d.live) == 0 {
		return Explanation{Unexplained, "all live keys are outside their lifetime, so nothing can verify"}
	}
	if d.ended {
		return Explanation{Unexplained, "none of the known mistakes that were tried explains it; not all were tried, because the body is too long or there are too many keys"}
	}
	return Explanation{Unexplained, "none of the known mistakes explains it: the delivery is forged, was signed with an unknown secret, or was changed on the way"}
}

// asItIs reports whether the unchanged delivery verifies, and if so, whether it is fresh.
func (d *diagnoser) asItIs() (Explanation, bool) {
	if !d.signed(d.in.Body) {
		return Explanation{}, false
	}
	if d.in.Scheme.Ambiguous(d.in.Body) {
		return Explanation{FormAmbiguous, "the signature is right, but the body begins like a covered header, and such a body is refused if several forms are accepted: pin the form that the sender uses"}, true
	}
	if d.in.Window == (signature.Window{}) {
		return Explanation{None, "nothing is wrong with the signature"}, true
	}
	at, err := d.signedAt()
	if err != nil {
		return Explanation{None, "nothing is wrong with the signature, and the delivery has no time to check"}, true
	}
	return ExplainTime(d.in.Window, at, d.in.now()), true
}

var errNoTime = errors.New("diagnose: no time")

func (d *diagnoser) signedAt() (time.Time, error) {
	if !d.in.SignedAt.IsZero() {
		return d.in.SignedAt, nil
	}
	for _, f := range d.in.Scheme.Fields {
		if values := d.in.Scheme.Values(d.in.Header, f.Name()); f.Grammar == signature.UnixTime && len(values) == 1 {
			return signature.ParseUnix(values[0])
		}
	}
	return time.Time{}, errNoTime
}

// emptyBody explains an empty body.
func (d *diagnoser) emptyBody() (Explanation, bool) {
	switch {
	case len(d.in.Body) > 0:
		return Explanation{}, false
	case d.in.Declared > 0:
		return Explanation{BodyEmpty, "the body is empty although the request declared one: something read it before the handler, so pass the body unread"}, true
	default:
		return Explanation{BodyEmpty, "the body is empty, but the signature is not that of an empty body: if the sender sent one, something read it before the handler, so pass the body unread"}, true
	}
}

// declaredLength is tried last, because a serialized body also has another length.
func (d *diagnoser) declaredLength() (Explanation, bool) {
	switch declared, got := d.in.Declared, int64(len(d.in.Body)); {
	case declared <= 0 || declared == got:
		return Explanation{}, false
	case got < declared:
		return Explanation{BodyLength, "the body is shorter than the request declared: something cut it or changed it, so pass the body on unchanged"}, true
	default:
		return Explanation{BodyLength, "the body is longer than the request declared: something changed it, so pass the body on unchanged"}, true
	}
}
