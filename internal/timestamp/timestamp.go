// Package timestamp reads the times that senders write into JSON. It reads Unix times, and dates in each format that the
// standard libraries of other languages write for ISO 8601 or RFC 3339. The date must define one instant.
package timestamp

import (
	"errors"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/signature"
)

// Want describes the accepted formats, for logs.
const Want = `a date with a zone such as "2006-01-02T15:04:05Z", or a Unix time in seconds or milliseconds`

// The errors of this package. They never quote the value.
var (
	ErrKind   = errors.New("it is neither a string nor a number")
	ErrBlank  = errors.New("it is blank")
	ErrUnix   = errors.New("the number is not a Unix time in seconds or milliseconds")
	ErrFormat = errors.New("it is not a date of the form 2006-01-02T15:04:05Z")
	ErrNoTime = errors.New("it is a date without a time of day")
	ErrNoZone = errors.New("it is a date without a zone")
	ErrRange  = errors.New("a part of the date is out of range")
)

// ParseJSON reads a time from a JSON string or number. The result is in UTC.
func ParseJSON(raw []byte) (time.Time, error) {
	if s, ok := jsonpeek.String(raw); ok {
		return Parse(s)
	}
	if jsonpeek.KindOf(raw) != jsonpeek.KindNumber {
		return time.Time{}, ErrKind
	}
	if t, err := signature.ParseUnix(string(raw)); err == nil {
		return t, nil
	}
	return unix(raw)
}

// Parse reads a date, or a Unix time in decimal digits. The result is in UTC, between the years 0 and 9999.
//
// A date has the year in four digits, the month, the day, a "T" or a space, and the hour. The minute, the second and a
// fraction after a point or a comma are optional. Colons and hyphens may be omitted.
//
// The zone is required. It is Z, UTC, GMT, or an offset of hours, optionally with minutes and seconds. An RFC 9557 suffix
// such as [Europe/Paris] is ignored. A leap second becomes the second after it, and 24:00 becomes 00:00 of the next day.
// Digits below a nanosecond are dropped.
func Parse(s string) (time.Time, error) {
	if strings.TrimSpace(s) == "" {
		return time.Time{}, ErrBlank
	}
	if strings.Trim(s, "0123456789") == "" {
		t, err := signature.ParseUnix(s)
		if err != nil {
			return time.Time{}, ErrUnix
		}
		return t, nil
	}
	if strings.Trim(s, "0123456789.") == "" {
		return unix([]byte(s))
	}
	return parseDate(s)
}

// unix reads a Unix time from a JSON number in any notation. A fraction is a fraction of the unit.
func unix(raw []byte) (time.Time, error) {
	whole, fraction, ok := jsonpeek.Decimal(raw)
	if !ok {
		return time.Time{}, ErrUnix
	}
	t, err := signature.ParseUnix(whole)
	if err != nil {
		return time.Time{}, ErrUnix
	}
	unit := time.Second
	if len(whole) > 10 {
		unit = time.Millisecond
	}
	return t.Add(part(fraction, unit)), nil
}

// part returns a decimal fraction of a unit, to the nanosecond.
func part(digits string, unit time.Duration) time.Duration {
	var d time.Duration
	for i := 0; i < len(digits) && unit >= 10; i++ {
		unit /= 10
		d += time.Duration(digits[i]-'0') * unit
	}
	return d
}
