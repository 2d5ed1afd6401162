package webhooktest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
)

// isoDate matches an ISO 8601 date: day, separator, seconds, fraction and zone.
var isoDate = regexp.MustCompile(`^\d{4}-\d\d-\d\d([Tt ])\d\d:\d\d(?::\d\d)?(?:([.,])(\d{1,9}))?([Zz]|[+-]\d\d(?::?\d\d)?)?$`)

// dateLike returns t as a JSON value in the notation of raw. A Unix time keeps its unit. An ISO 8601 date keeps its
// separator, its zone and its number of fraction digits. Any other number becomes Unix seconds, and any other value RFC 3339.
func dateLike(raw []byte, t time.Time) []byte {
	if jsonpeek.KindOf(raw) == jsonpeek.KindNumber {
		return []byte(unixLike(string(raw), t))
	}
	text, _ := jsonpeek.String(raw)
	if len(text) >= 9 && strings.Trim(text, "0123456789.") == "" {
		return quote(unixLike(text, t))
	}
	return quote(isoLike(text, t))
}

// unixLike returns t in the unit of text. It derives the unit from the number of digits: seconds have 10 today, and each
// finer unit has three more.
func unixLike(text string, t time.Time) string {
	whole, fraction, _ := strings.Cut(text, ".")
	switch digits := len(whole); {
	case strings.Trim(text, "0123456789.") != "":
		return strconv.FormatInt(t.Unix(), 10)
	case digits <= 11:
		return strconv.FormatInt(t.Unix(), 10) + fractionOf(t, ".", len(fraction))
	case digits <= 14:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case digits <= 17:
		return strconv.FormatInt(t.UnixMicro(), 10)
	default:
		return strconv.FormatInt(t.UnixNano(), 10)
	}
}

func isoLike(text string, t time.Time) string {
	iso := isoDate.FindStringSubmatch(text)
	if iso == nil {
		return t.UTC().Format(time.RFC3339)
	}
	separator, point, digits, zone := iso[1], iso[2], iso[3], iso[4]
	t = t.In(zoneOf(zone))
	return t.Format(time.DateOnly) + separator + t.Format(time.TimeOnly) + fractionOf(t, point, len(digits)) + zone
}

// fractionOf returns the fraction of t's second with that many digits, at most nine.
func fractionOf(t time.Time, point string, digits int) string {
	if digits == 0 {
		return ""
	}
	nine := strconv.Itoa(1_000_000_000 + t.Nanosecond())[1:]
	return point + nine[:min(digits, len(nine))]
}

// zoneOf returns the location of "+02:00", "+0200" or "+02", and UTC for any other text.
func zoneOf(zone string) *time.Location {
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, zone); err == nil {
			return t.Location()
		}
	}
	return time.UTC
}

// quote returns s as a JSON string.
func quote(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // encoding/json marshals every string
	}
	return quoted
}
