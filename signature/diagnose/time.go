package diagnose

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// ExplainTime explains by how much a signed time is outside the window around now. The cause is [None] if it is inside.
func ExplainTime(w signature.Window, signed, now time.Time) Explanation {
	past, future := max(w.Past, 0), max(w.Future, 0)
	switch {
	case signed.Before(now.Add(-past)):
		age := now.Sub(signed)
		return Explanation{TimeStale, fmt.Sprintf("the signed time is %v old, %v more than the window of %v: the delivery is late or replayed, or our clock is ahead of the sender's%s",
			rounded(age), rounded(age-past), past, zone(age))}
	case signed.After(now.Add(future)):
		lead := signed.Sub(now)
		return Explanation{TimeAhead, fmt.Sprintf("the signed time is %v ahead, %v more than the allowed skew of %v: our clock is behind, or the sender's is ahead%s",
			rounded(lead), rounded(lead-future), future, zone(lead))}
	default:
		return Explanation{None, "the signed time is within the window"}
	}
}

const century = 100 * 365 * 24 * time.Hour

// rounded rounds to seconds, and below one second to milliseconds. A difference outside the window is never "0s".
func rounded(d time.Duration) string {
	switch {
	case d > century:
		return "more than a century"
	case d < time.Second:
		return max(d.Round(time.Millisecond), time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// zone explains a difference that looks like a time zone.
func zone(d time.Duration) string {
	hours := d.Round(time.Hour)
	if hours < time.Hour || hours > 14*time.Hour || (d-hours).Abs() > time.Minute {
		return ""
	}
	return fmt.Sprintf("; the difference of %d h suggests that a local time was sent as UTC", int(hours/time.Hour))
}

// otherTimes tries the times in the covered headers in the other unit.
func (d *diagnoser) otherTimes() (Explanation, bool) {
	for _, f := range d.in.Scheme.Fields {
		name := f.Name()
		values := d.in.Scheme.Values(d.in.Header, name)
		if f.Grammar != signature.UnixTime || len(values) != 1 {
			continue
		}
		other, says := values[0]+"000", "milliseconds, but the %s has it in seconds"
		if n := len(values[0]); n > 10 {
			other, says = values[0][:n-3], "seconds, but the %s has it in milliseconds"
		}
		if forms := d.covering(name, other); len(forms) > 0 {
			if _, _, ok := d.signedBy(d.live, forms, d.in.Body); ok {
				return explainf(TimeUnit, "the sender signs the time in "+says+": it must have the signed value", d.label(name))
			}
		}
	}
	return Explanation{}, false
}

// covering returns the forms that cover a field, with another value for it.
func (d *diagnoser) covering(field, value string) []composed {
	var all []composed
	for _, c := range d.forms {
		for i, name := range c.form.Covers() {
			if name == field {
				covered := append([]string(nil), c.covered...)
				covered[i] = value
				all = append(all, composed{c.form, covered})
			}
		}
	}
	return all
}
