package timestamp_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/timestamp"
)

func at(nanoseconds int) time.Time { return time.Date(2026, 11, 26, 7, 3, 42, nanoseconds, time.UTC) }

func TestParse_ReadsWhatOtherLanguagesWrite(t *testing.T) {
	minute := time.Date(2026, 11, 26, 7, 3, 0, 0, time.UTC)
	hour := time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC)
	midnight := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-26T07:03:42Z":                                  at(0),
		"2026-11-26t07:03:42z":                                  at(0),
		"2026-11-26 07:03:42Z":                                  at(0),
		"2026-11-26T07:03:42.1Z":                                at(100_000_000),
		"2026-11-26T07:03:42.123Z":                              at(123_000_000), // JavaScript
		"2026-11-26T07:03:42.1234567Z":                          at(123_456_700), // .NET
		"2026-11-26T07:03:42.123456789123456789Z":               at(123_456_789),
		"2026-11-26T07:03:42,123Z":                              at(123_000_000), // ISO 8601 prefers the comma
		"2026-11-26T07:03:42.123456+00:00":                      at(123_456_000), // Python
		"2026-11-26 07:03:42.123456+00:00":                      at(123_456_000), // Python's str
		"2026-11-26 07:03:42.123456+00":                         at(123_456_000), // PostgreSQL
		"2026-11-26T07:03:42+0000":                              at(0),           // PHP's DATE_ISO8601
		"2026-11-26T08:03:42+0100":                              at(0),
		"2026-11-26T08:03:42+01":                                at(0),
		"2026-11-26T02:03:42-05:00":                             at(0),
		"2026-11-26T12:48:42+05:45":                             at(0),
		"2026-11-26T07:57:10+00:53:28":                          at(0), // Python and Java, for local mean time
		"2026-11-26T07:03:42-00:00":                             at(0), // RFC 3339: UTC, local offset unknown
		"2026-11-26 07:03:42 +0000":                             at(0), // Ruby
		"2026-11-26 07:03:42 UTC":                               at(0), // Ruby
		"2026-11-26 07:03:42 GMT":                               at(0),
		"2026-11-26T08:03:42+01:00[Europe/Paris]":               at(0), // java.time.ZonedDateTime, js-joda, Temporal
		"2026-11-26T07:03:42Z[UTC]":                             at(0),
		"2026-11-26T08:03:42+01:00[Europe/Paris][u-ca=iso8601]": at(0),
		"2026-11-26T07:03Z":                                     minute, // java.time omits zero seconds
		"2026-11-26T08:03+01:00":                                minute,
		"2026-11-26T7:03:42Z":                                   at(0), // package time accepts it
		"2026-11-27T07:03:42+24:00":                             at(0),
		"2026-11-26T07Z":                                        hour,
		"2026-11-26T07+00:00":                                   hour,
		"20261126T070342Z":                                      at(0),
		"20261126T070342.5+0000":                                at(500_000_000),
		"20261126T0703Z":                                        minute,
		"20261126t080342+01":                                    at(0),
		"2026-11-26T070342Z":                                    at(0),
		"2026-11-26T24:00:00Z":                                  midnight,
		"2026-11-26T24:00Z":                                     midnight,
		"20261126T24Z":                                          midnight,
		"2026-11-26T23:59:60Z":                                  midnight,
		"2026-11-26T23:59:60.25Z":                               midnight.Add(250 * time.Millisecond),
		"2026-11-26T15:59:60-08:00":                             midnight,
		"2026-12-31T23:59:59.9999999999Z":                       time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		"2024-02-29T00:00:00Z":                                  time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"0000-01-01T00:00:00Z":                                  time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"9999-12-31T23:59:59.999999999Z":                        time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		"1795676622":                                            at(0),
		"1795676622000":                                         at(0),
		"1795676622.5":                                          at(500_000_000),
	} {
		got, err := timestamp.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		got, err = timestamp.ParseJSON([]byte(strconv.Quote(text)))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParse_RefusesWhatMayBeSeveralInstants(t *testing.T) {
	for text, want := range map[string]error{
		"":                                    timestamp.ErrBlank,
		" \t":                                 timestamp.ErrBlank,
		"2026-11-26":                          timestamp.ErrNoTime,
		"20261126":                            timestamp.ErrUnix,
		"20261126070342":                      timestamp.ErrUnix,
		"2026-11-26T07:03:42":                 timestamp.ErrNoZone,
		"2026-11-26 07:03:42":                 timestamp.ErrNoZone,
		"2026-11-26 07:03:42 ":                timestamp.ErrNoZone,
		"2026-11-26T07:03":                    timestamp.ErrNoZone,
		"20261126T070342":                     timestamp.ErrNoZone,
		"2026-11-26T07:03:42[Europe/Paris]":   timestamp.ErrNoZone, // the offset is ambiguous twice a year
		"2026-11-26T07:03:42Z[!Europe/Paris]": timestamp.ErrFormat,
		"2026-11-26T07:03:42Z[":               timestamp.ErrFormat,
		"2026-11-26T07:03:42Z[]":              timestamp.ErrFormat,
		"2026-11-26T07:03:42 CET":             timestamp.ErrFormat,
		"2026-11-26T07:03:42 IST":             timestamp.ErrFormat,
		"26/11/2026 07:03:42Z":                timestamp.ErrFormat,
		"11/12/2026":                          timestamp.ErrFormat,
		"26-11-2026T07:03:42Z":                timestamp.ErrFormat,
		"2026-11-26Z":                         timestamp.ErrFormat,
		"2026-11-26+01:00":                    timestamp.ErrFormat,
		"2026-1126T07:03:42Z":                 timestamp.ErrFormat,
		"2026-330T07:03:42Z":                  timestamp.ErrFormat,
		"2026-W48-4T07:03:42Z":                timestamp.ErrFormat,
		"26-11-26T07:03:42Z":                  timestamp.ErrFormat,
		"+002026-11-26T07:03:42Z":             timestamp.ErrFormat,
		"-002026-11-26T07:03:42Z":             timestamp.ErrFormat,
		"12026-11-26T07:03:42Z":               timestamp.ErrFormat,
		"2026-11-26T07:3:42Z":                 timestamp.ErrFormat,
		"2026-11-26T07:03:4Z":                 timestamp.ErrFormat,
		"2026-11-26T07:03:42.Z":               timestamp.ErrFormat,
		"2026-11-26T07:03.5Z":                 timestamp.ErrFormat,
		"2026-11-26T07.5Z":                    timestamp.ErrFormat,
		"2026-11-26T07:03:42+1":               timestamp.ErrFormat,
		"2026-11-26T07:03:42+01:0":            timestamp.ErrFormat,
		"2026-11-26T07:03:42+":                timestamp.ErrFormat,
		"2026-11-26T07:03:42ZZ":               timestamp.ErrFormat,
		"2026-11-26T07:03:42Z\n":              timestamp.ErrFormat,
		" 2026-11-26T07:03:42Z":               timestamp.ErrFormat,
		"2026-11-26X07:03:42Z":                timestamp.ErrFormat,
		"yesterday":                           timestamp.ErrFormat,
		"Thu, 26 Nov 2026 07:03:42 GMT":       timestamp.ErrFormat,
		"٢٠٢٦-11-26T07:03:42Z":                timestamp.ErrFormat,
		"2026-13-01T00:00:00Z":                timestamp.ErrRange,
		"2026-00-01T00:00:00Z":                timestamp.ErrRange,
		"2026-11-00T00:00:00Z":                timestamp.ErrRange,
		"2026-11-31T00:00:00Z":                timestamp.ErrRange,
		"2025-02-29T00:00:00Z":                timestamp.ErrRange,
		"2026-11-26T25:00:00Z":                timestamp.ErrRange,
		"2026-11-26T24:00:01Z":                timestamp.ErrRange,
		"2026-11-26T24:01:00Z":                timestamp.ErrRange,
		"2026-11-26T24:00:00.000000001Z":      timestamp.ErrRange,
		"2026-11-26T07:60:00Z":                timestamp.ErrRange,
		"2026-11-26T07:03:61Z":                timestamp.ErrRange,
		"2026-11-26T07:03:60Z":                timestamp.ErrRange, // no leap second ends at 07:04
		"2026-11-26T23:59:60+01:00":           timestamp.ErrRange,
		"2026-11-26T07:03:42+25:00":           timestamp.ErrRange,
		"2026-11-26T07:03:42+01:61":           timestamp.ErrRange,
		"9999-12-31T24:00:00Z":                timestamp.ErrRange,
		"9999-12-31T23:59:59-23:59":           timestamp.ErrRange,
		"0000-01-01T00:00:00+23:59":           timestamp.ErrRange,
		"1":                                   timestamp.ErrUnix,
		"17956766220":                         timestamp.ErrUnix,
		"1795676622000000":                    timestamp.ErrUnix,
		"99999999999999999999999999":          timestamp.ErrUnix,
		"1795676622.":                         timestamp.ErrUnix,
		"17956.76622":                         timestamp.ErrUnix,
		"1.2.3":                               timestamp.ErrUnix,
		"1.795676622e9":                       timestamp.ErrFormat, // no clock writes this format as text
		"-1795676622":                         timestamp.ErrFormat,
	} {
		_, err := timestamp.Parse(text)
		require.ErrorIs(t, err, want, text)
	}
}

func TestParseJSON_ReadsNumbersInAnyNotation(t *testing.T) {
	for raw, want := range map[string]time.Time{
		"1795676622": at(0), "1795676622.0": at(0), "1.795676622e9": at(0), "17956766220e-1": at(0), "1795676622000": at(0),
		"1795676622000.0": at(0), "1.795676622E+12": at(0), "1795676622.25": at(250_000_000), "1795676622000.25": at(250_000),
		"1795676622.1234567891": at(123_456_789),
	} {
		got, err := timestamp.ParseJSON([]byte(raw))
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for raw, want := range map[string]error{
		"0": timestamp.ErrUnix, "-1795676622": timestamp.ErrUnix, "1.5": timestamp.ErrUnix, "1e400": timestamp.ErrUnix,
		"1e99999999999": timestamp.ErrUnix, "17956766220": timestamp.ErrUnix, "1795676622000000": timestamp.ErrUnix,
		"null": timestamp.ErrKind, "{}": timestamp.ErrKind, "[1795676622]": timestamp.ErrKind, "true": timestamp.ErrKind, "": timestamp.ErrKind,
	} {
		_, err := timestamp.ParseJSON([]byte(raw))
		require.ErrorIs(t, err, want, raw)
	}
}

// FuzzParse compares Parse with the standard library. Parse must return the same time for each date that package time
// accepts, and no year outside 0 to 9999.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"2026-11-26T07:03:42Z", "2026-11-26T07:03:42.123+01:00", "9999-12-31T23:59:59-23:59", "2026-11-26T23:59:60Z", "20261126T24Z",
		"2026-11-26 07:03:42 +0000", "1795676622.5", "2026-11-26T07:03:42+01:00[Europe/Paris]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := timestamp.Parse(text)
		if err == nil {
			require.Equal(t, time.UTC, got.Location())
			require.True(t, 0 <= got.Year() && got.Year() <= 9999)
			again, err := timestamp.Parse(got.Format(time.RFC3339Nano))
			require.NoError(t, err)
			require.True(t, got.Equal(again))
		}
		var want time.Time
		if want.UnmarshalText([]byte(text)) != nil {
			return
		}
		if want = want.UTC(); want.Year() < 0 || want.Year() > 9999 {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.True(t, want.Equal(got), "%v instead of %v", got, want)
	})
}
