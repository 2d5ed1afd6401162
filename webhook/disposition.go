package webhook

import (
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A disposition is the result of a step. The zero disposition continues with the next step.
type disposition struct {
	outcome Outcome
	reason  Reason
	err     error
	after   time.Duration               // for Retry-After; zero means the default
	explain func() diagnose.Explanation // says why a request was refused; may be nil
	unread  bool                        // the sender may still be writing the body
	bytes   int                         // the size of a body that was refused

	// What the run of a claimed delivery adds.
	failedOpen bool             // the store was unavailable, so it does not prevent a second run
	undecoded  map[string]error // fields that did not fit the event's type
	running    *run             // the run, if it goes on after the response
}

func (v disposition) final() bool { return v.outcome != "" }

// A directive is an error with which a callback decides the outcome of the delivery. The outermost one counts.
type directive interface {
	error
	disposition() disposition
}

func (e *permanentError) disposition() disposition {
	return disposition{outcome: Dropped, reason: ReasonPermanent}
}

func (e *retryError) disposition() disposition {
	return disposition{outcome: Failed, reason: ReasonRetryAfter, after: e.after}
}

func (e *ignoreError) disposition() disposition { return disposition{outcome: Ignored} }

// dispositionOf maps a callback's error to a disposition. A status or a code inside the error has no effect.
func dispositionOf(err error) disposition {
	var v disposition
	if err != nil {
		_ = err.Error() // a nil pointer panics here, where execute recovers
	}
	switch e := err.(type) { //nolint:errorlint // these are made by us and never wrapped
	case nil:
		return disposition{outcome: Handled}
	case *PanicError:
		v.outcome, v.reason = Failed, ReasonPanic
	case *undecodableError:
		v.outcome, v.reason = Failed, ReasonUndecodable
		err = e.err
	default:
		v.outcome = Failed
		var returned directive
		var undecodable *undecodableError
		switch {
		case errors.As(err, &returned):
			v = returned.disposition()
		case errors.As(err, &undecodable): // a Middleware has wrapped it
			v.reason = ReasonUndecodable
		}
	}
	v.err = err
	return v
}

// An undecodableError reports a body that does not fit the type of its callback.
type undecodableError struct{ err error }

func (e *undecodableError) Error() string { return e.err.Error() }
