// Package timestamp reads the times that senders write into JSON: Unix times, and every spelling of a date that the
// standard libraries of other languages write for ISO 8601 or RFC 3339 and that names one instant.
package timestamp

import (
	"errors"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/signature"
)

// Want shows the expected form, for logs.
const Want = `a date with a zone such as "2006-01-02T15:04:05Z", or a Unix time in seconds or milliseconds`

// The errors. None quotes the value.
var (
	ErrKind   = errors.New("it is neither a string nor a number")
	ErrBlank  = errors.New("it is blank")
	ErrUnix   = errors.New("the number is not a Unix time in seconds or milliseconds")
	ErrFormat = errors.New("it is not a date of the form 2006-01-02T15:04:05Z")
	ErrNoTime = errors.New("it is a date without a time of day")
	ErrNoZone = errors.New("it is a date without a zone")
	ErrRange  = errors.New("a part of the date is out of range")
)

// ParseJSON reads a JSON string or number. The result is in UTC.
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
// A date is the year in four digits, month, day, a "T" or a space, hour, and optionally minute, second and a fraction
// after a point or a comma; colons and hyphens may be left out. The zone is required: Z, UTC, GMT or an offset of hours,
// or of hours, minutes and seconds; an RFC 9557 suffix such as [Europe/Paris] after it is ignored. A leap second
// is the second after it, 24:00 is 00:00 of the next day. What is smaller than a nanosecond is cut off.
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

// unix reads a Unix time that is written as a JSON number, whatever its notation. A fraction is one of its unit.
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

// part returns the decimal fraction of a unit, down to a nanosecond.
func part(digits string, unit time.Duration) time.Duration {
	var d time.Duration
	for i := 0; i < len(digits) && unit >= 10; i++ {
		unit /= 10
		d += time.Duration(digits[i]-'0') * unit
	}
	return d
}
