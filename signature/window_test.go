package signature_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

var (
	now  = time.Unix(1795283259, 500)
	five = signature.Window{Past: 5 * time.Minute, Future: 2 * time.Minute}
)

func TestWindow_IncludesItsEdges(t *testing.T) {
	for shift, want := range map[time.Duration]error{
		0:                  nil,
		-5 * time.Minute:   nil,
		-5*time.Minute + 1: nil,
		-5*time.Minute - 1: signature.Stale,
		2 * time.Minute:    nil,
		2*time.Minute - 1:  nil,
		2*time.Minute + 1:  signature.Future,
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 14*3600)} {
			err := five.Check(now.Add(shift).In(zone), now)
			if want == nil {
				require.NoError(t, err, shift)
			} else {
				require.ErrorIs(t, err, want, shift)
			}
		}
	}
}

// Fault 1 of the peers.
func TestWindow_RefusesFarFuture(t *testing.T) {
	for _, year := range []int{2027, 2286, 2603, 9999, 10_000, 300_000_000} {
		require.ErrorIs(t, five.Check(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), now), signature.Future, year)
	}
	for _, text := range []string{"9999999999", "9999999999999"} {
		sent, err := signature.ParseUnix(text)
		require.NoError(t, err)
		require.ErrorIs(t, five.Check(sent, now), signature.Future)
	}
}

// Fault 1 of the peers: no 64-bit value may be read as the current time.
func TestWindow_DoesNotOverflow(t *testing.T) {
	for _, w := range []signature.Window{five, {Past: math.MaxInt64, Future: time.Minute}, {Past: time.Minute, Future: math.MaxInt64}} {
		for _, seconds := range []int64{math.MinInt64, math.MinInt64 + 1, -1 << 62, -62135596801, 1 << 62, math.MaxInt64 - 62135596800, math.MaxInt64 - 1, math.MaxInt64} {
			for _, nanos := range []int64{0, 999_999_999, math.MinInt64, math.MaxInt64} {
				require.Error(t, w.Check(time.Unix(seconds, nanos), now), "%d %d", seconds, nanos)
			}
		}
		for _, ms := range []int64{math.MinInt64, math.MaxInt64} {
			require.Error(t, w.Check(time.UnixMilli(ms), now))
			require.Error(t, w.Check(time.UnixMicro(ms), now))
		}
	}
}

func TestWindow_TreatsZeroTimeAsStale(t *testing.T) {
	require.ErrorIs(t, five.Check(time.Time{}, now), signature.Stale)
	require.ErrorIs(t, five.Check(time.Unix(0, 0), now), signature.Stale)
}

func TestWindow_TreatsNegativeSpanAsZero(t *testing.T) {
	for _, span := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
		w := signature.Window{Past: span, Future: span}
		require.NoError(t, w.Check(now, now))
		require.ErrorIs(t, w.Check(now.Add(-1), now), signature.Stale)
		require.ErrorIs(t, w.Check(now.Add(1), now), signature.Future)
	}
}

func TestWindow_ReportsItsWidthInError(t *testing.T) {
	err := five.Check(now.Add(-time.Hour), now)
	requireRefused(t, err, signature.Stale, "")
	require.EqualError(t, err, "signature: the signed time is older than the window of 5m0s")
	err = five.Check(now.Add(time.Hour), now)
	requireRefused(t, err, signature.Future, "")
	require.EqualError(t, err, "signature: the signed time is further ahead than the allowed skew of 2m0s")
}

func TestParseUnix_AcceptsPlainDigitsOnly(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1795283259":    time.Unix(1795283259, 0),
		"1795283259123": time.Unix(1795283259, 123_000_000),
		"9999999999":    time.Unix(9999999999, 0),
		"9999999999999": time.UnixMilli(9999999999999),
		"0000000000":    time.Unix(0, 0),
		"0001795283259": time.UnixMilli(1795283259),
		"946684800":     time.Unix(946684800, 0),
		"946684800123":  time.UnixMilli(946684800123),
	} {
		got, err := signature.ParseUnix(text)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), text)
		require.Equal(t, time.UTC, got.Location())
	}
	for _, text := range []string{
		"", "1", "17952832", "17952832591", "17952832591234", "179528325912345", "1795283259123456", "17952832591234567890", "99999999999999999999999",
		"+795283259", "-795283259", "1795283259.", "17952832.9", "179528e259", "0x6b01f87b", "1_79528325", " 795283259", "179528325 ", "179528325\n",
		"179528325\x00", "１２３1", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "179528325:", "179528325/", "1e15", "NaN", "Infinity00",
	} {
		_, err := signature.ParseUnix(text)
		require.Error(t, err, text)
		if len(text) > 1 {
			require.NotContains(t, err.Error(), text)
		}
	}
}

// Fault 3 of the peers: a number that is read and printed again forgives other notations of it.
func TestVerify_RefusesOtherTimestampNotation(t *testing.T) {
	v, ring := signtest.NewVerifier(t, signtest.HeadScheme()), signtest.DefaultRing(t)
	for _, form := range []string{"timestamp", "delivery"} {
		for _, written := range []string{"+" + signtest.Time, "0" + signtest.Time, "000" + signtest.Time, signtest.Time + "000", signtest.Time + ".0", " " + signtest.Time, signtest.Time + " ", "1.795283259e9"} {
			h := signtest.FullHeader()
			signtest.Sign(t, signtest.HeadScheme(), form, h, nil)
			h.Set(signtest.HeaderTime, written)
			_, err := v.Verify(ring, h, nil)
			require.Error(t, err, written)
		}
	}
}

// Fault 4 of the peers: Covers distinguishes a signed time from one that anyone can change.
func TestMatch_DoesNotCoverUnsignedTime(t *testing.T) {
	for form, covered := range map[string]bool{"timestamp": true, "delivery": true, "body": false} {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form, h, []byte("{}"))
		match, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), h, []byte("{}"))
		require.NoError(t, err)
		require.Equal(t, covered, match.Covers(signtest.HeaderTime))

		h.Set(signtest.HeaderTime, "1795283260")
		_, err = signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), h, []byte("{}"))
		require.Equal(t, covered, err != nil)
	}
}

// Fault 4 of the peers, the other way in: bytes that were signed with one time are not let through with another.
func TestVerify_RefusesTimeMovedIntoBody(t *testing.T) {
	body := []byte(`{"a":1}`)
	for form, n := range map[string]int{"timestamp": 1, "delivery": 2} {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form, h, body)
		moved := append([]byte(map[int]string{1: signtest.Time + ".", 2: "dlv_1." + signtest.Time + "."}[n]), body...)
		fresh := http.Header{signtest.HeaderSignature: h[signtest.HeaderSignature], signtest.HeaderTime: {"1795289999"}}
		_, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), fresh, moved)
		requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
		require.Contains(t, fmt.Sprint(err), "another form")
	}
}
