package signature

import (
	"errors"
	"time"
)

// DefaultSkew is how far ahead of our clock a sender's may be.
const DefaultSkew = 5 * time.Minute

// A Window is the span of time in which a signed time is fresh.
type Window struct {
	Past   time.Duration // how old a delivery may be
	Future time.Duration // how far the sender's clock may be ahead
}

// Check returns nil when t lies in the window around now, bounds included; otherwise an [*Error] with the reason
// [Stale] or [Future]. It compares instants and never subtracts them, so no date overflows. A negative span counts as
// zero.
func (w Window) Check(t, now time.Time) error {
	switch {
	case t.Before(now.Add(-max(w.Past, 0))):
		return &Error{Reason: Stale, detail: "the signed time lies further back than the window of " + w.Past.String()}
	case t.After(now.Add(max(w.Future, 0))):
		return &Error{Reason: Future, detail: "the signed time lies further ahead than the allowed skew of " + w.Future.String()}
	default:
		return nil
	}
}

var errUnix = errors.New("signature: a Unix time must be 9 or 10 decimal digits (seconds) or 12 or 13 (milliseconds)")

// ParseUnix reads a Unix time from plain decimal digits. Of today's times, 10 digits are seconds and 13 can only be
// milliseconds; one digit less is a time before September 2001, such as the clock of testing/synctest shows. A sign, a
// fraction, an exponent or any other length is an error.
func ParseUnix(s string) (time.Time, error) {
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 13 {
			return time.Time{}, errUnix
		}
		n = n*10 + int64(s[i]-'0')
	}
	switch len(s) {
	case 9, 10:
		return time.Unix(n, 0).UTC(), nil
	case 12, 13:
		return time.UnixMilli(n).UTC(), nil
	default:
		return time.Time{}, errUnix
	}
}
