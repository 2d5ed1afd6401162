package signature

import (
	"errors"
	"time"
)

// DefaultSkew is how far a sender's clock may be ahead of ours.
const DefaultSkew = 5 * time.Minute

// A Window is the range in which a signed time is fresh.
type Window struct {
	Past   time.Duration // how old a delivery may be
	Future time.Duration // how far the sender's clock may be ahead
}

// Check returns nil if t is in the window around now, including its bounds. Otherwise it returns an [*Error] with the
// reason [Stale] or [Future]. It compares instants and does not subtract them, so no date overflows. A negative duration
// counts as zero.
func (w Window) Check(t, now time.Time) error {
	switch {
	case t.Before(now.Add(-max(w.Past, 0))):
		return &Error{Reason: Stale, detail: "the signed time is older than the window of " + w.Past.String()}
	case t.After(now.Add(max(w.Future, 0))):
		return &Error{Reason: Future, detail: "the signed time is further ahead than the allowed skew of " + w.Future.String()}
	default:
		return nil
	}
}

var errUnix = errors.New("signature: a Unix time must be 9 or 10 decimal digits (seconds) or 12 or 13 (milliseconds)")

// ParseUnix parses a Unix time in plain decimal digits. It accepts 9 or 10 digits as seconds, and 12 or 13 digits as
// milliseconds. Current times have 10 or 13 digits. One digit less is a time before September 2001, such as that of
// testing/synctest. Any other length, a sign, a fraction or an exponent is an error.
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
