package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// layouts has the date formats of other languages. Package internal/timestamp reads more.
var layouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02t15:04:05z", "2006-01-02 15:04:05.000000+00:00", "2006-01-02T15:04:05,000Z",
	"2006-01-02T15:04:05-0700", "2006-01-02T15:04:05-07", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 UTC", "20060102T150405Z",
	"2006-01-02T15:04:05.0000000000000Z", "2006-01-02T15:04:05-07:00[Etc/UTC]",
}

// spellings returns an instant in all notations, as JSON.
func spellings(at time.Time) []string {
	unix := strconv.FormatInt(at.Unix(), 10)
	all := []string{
		unix, unix + ".0", unix + "000", unix + "e0", unix + "0e-1", `"` + unix + `"`, `"` + unix + `.0"`, `"` + unix + `000"`,
	}
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 5*3600+45*60), time.FixedZone("", -8*3600)} {
		for _, layout := range layouts {
			if zone == time.UTC || strings.Contains(layout, "-07:00") {
				all = append(all, strconv.Quote(at.In(zone).Format(layout)))
			}
		}
	}
	return all
}

func timed(raw string) []byte {
	return fmt.Appendf(nil, `{"type":"ping","id":%q,"time":%s,"data":{"n":7}}`, "evt"+raw, raw)
}

func TestTime_UnambiguousSpellingsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		for _, raw := range spellings(time.Now()) {
			result := r.process(timed(raw))
			require.Equal(t, webhook.Handled, result.Outcome, "%s: %v", raw, result.Err)
			require.True(t, time.Now().Equal(result.Delivery.Time), raw)
		}
		for _, raw := range []string{ // the clock of synctest begins at midnight
			`"2000-01-01T00:00Z"`, `"2000-01-01T00Z"`, `"20000101T0000+00"`, `"1999-12-31T24:00Z"`, `"1999-12-31T23:59:60Z"`,
		} {
			require.Equal(t, webhook.Handled, r.process(timed(raw)).Outcome, raw)
		}
	})
}

func TestTime_NoSpellingLeavesTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		past, future := time.Now().Add(-time.Hour), time.Now().Add(5*time.Minute)
		for _, raw := range append(spellings(past), spellings(future)...) {
			require.Equal(t, webhook.Handled, r.process(timed(raw)).Outcome, "the last instant that is fresh: %s", raw)
		}
		for _, ago := range []time.Duration{time.Second, time.Minute, 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
			for _, raw := range spellings(past.Add(-ago)) {
				require.Equal(t, webhook.ReasonStale, r.process(timed(raw)).Reason, raw)
			}
			for _, raw := range spellings(future.Add(ago)) {
				require.Equal(t, webhook.ReasonFuture, r.process(timed(raw)).Reason, raw)
			}
		}
		for raw, want := range map[string]webhook.Outcome{
			`"0000-01-01T00:00:00Z"`:           stale,
			`"0001-01-01T00:00:01Z"`:           stale,
			`"9999-12-31T23:59:59.999999999Z"`: inFuture,
			`"9999-12-31T23:59:60Z"`:           noTime, // past the last year
			`"9999-12-31T24:00:00Z"`:           noTime,
			`"9999-12-31T23:59:59-23:59"`:      noTime,
			`"0000-01-01T00:00:00+23:59"`:      noTime,
			`9999999999999`:                    inFuture, // in milliseconds
			`9999999999`:                       inFuture,
			`9999999999.999`:                   inFuture,
			`99999999999999`:                   noTime,
			`9.999999999e300`:                  noTime,
			`1e999999999999`:                   noTime,
			`-946684800`:                       noTime,
			`"1999-12-31T22:59:60Z"`:           noTime,
			`"1999-12-31T22:59:59Z"`:           stale,
			`"1999-12-31T24:00:00+01:00"`:      webhook.Handled, // 23:00 in UTC, an hour ago
			`"1999-12-31T24:00:00+01:01"`:      stale,
			`"1999-12-31T23:59:60-00:06"`:      noTime, // no leap second ends at 00:06
			`"2000-01-01T23:59:60Z"`:           inFuture,
			`"1999-12-30T23:59:60Z"`:           stale,
		} {
			result := r.process(timed(raw))
			require.Equal(t, want, as(want, result.Outcome, result.Reason), raw)
		}
	})
}

func TestTime_AmbiguousDateNamesTheMember(t *testing.T) {
	for raw, says := range map[string]string{
		`"2026-11-26T07:03:42"`:  "a date without a zone",
		`"2026-11-26"`:           "without a time of day",
		`"26/11/2026 07:03:42Z"`: "not a date of the form",
		`"2026-02-30T00:00:00Z"`: "out of range",
		`17`:                     "not a Unix time",
		`"soon"`:                 "not a date of the form",
		`{"s":1764140622}`:       "neither a string nor a number",
		`""`:                     "blank",
	} {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Envelope.Time = []string{"at", "time"} })
		ping.On(r.Handler, returns(nil))
		got := r.deliver(timed(raw))
		require.Equal(t, http.StatusBadRequest, got.status, raw)
		require.Equal(t, `{"received":false}`, got.body, "the response must not have the error")
		require.Equal(t, webhook.ReasonNoTime, r.observations()[0].Reason)
		var line struct{ Level, Error string }
		require.NoError(t, json.Unmarshal([]byte(r.log.String()), &line))
		require.Equal(t, "ERROR", line.Level)
		require.Contains(t, line.Error, `"time"`, "the error must name the member")
		require.Contains(t, line.Error, says)
		require.Contains(t, line.Error, "2006-01-02T15:04:05Z", "the error must have the expected format")
		if value := strings.Trim(raw, `"`); value != "" {
			require.NotContains(t, line.Error, value, "the error must not quote the value")
		}

		request := r.signed(timed(raw))
		e := r.Explain(webhook.Request{Header: request.Header, Body: bytes.NewReader(timed(raw))}, time.Time{})
		require.Contains(t, e.Text, says)
	}
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	require.Equal(t, http.StatusBadRequest, r.deliver([]byte(`{"type":"ping","id":"a"}`)).status)
	require.Contains(t, r.log.String(), `no member [\"time\"]`)
}
