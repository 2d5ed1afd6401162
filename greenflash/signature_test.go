package greenflash_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestConfig_AcceptsEveryFormUnlessPinned(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		for _, pinned := range append([]greenflash.Form{greenflash.FormAny}, allForms...) {
			r := newReceiver(t, greenflash.Config{Form: pinned})
			want := webhook.Unauthenticated
			if pinned == greenflash.FormAny || pinned == form {
				want = webhook.Handled
			}
			require.Equal(t, want, r.receive(r.sent(form, frustration, time.Now(), "d1")).Outcome, "pinned: %q", pinned)
		}
	})
}

func TestSignature_AcceptsHexWithOptionalPrefix(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		for form, signed := range map[greenflash.Form]string{
			greenflash.FormTimestamp: now + "." + frustration,
			greenflash.FormDelivery:  "d1." + now + "." + frustration,
			greenflash.FormBody:      frustration,
		} {
			hash := hmac.New(sha256.New, []byte(secret)) // by hand, because the scheme is under test
			hash.Write([]byte(signed))
			mac := hex.EncodeToString(hash.Sum(nil))
			for _, written := range []string{mac, strings.ToUpper(mac), "sha256=" + mac, "sha256=" + strings.ToUpper(mac)} {
				r := newReceiver(t, greenflash.Config{})
				result := r.receive(message{http.Header{
					"X-Greenflash-Signature": {written}, "X-Greenflash-Timestamp": {now}, "X-Greenflash-Delivery": {"d1"},
				}, []byte(frustration)})
				require.Equal(t, webhook.Handled, result.Outcome, written)
				require.Equal(t, string(form), result.Delivery.Form)
			}
		}
	})
}

func TestSignature_AllowsMissingUnsignedDeliveryID(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		var outcomes []webhook.Outcome
		for range 2 {
			m := r.sent(form, frustration, time.Now(), "d1").with("X-Greenflash-Delivery")
			outcomes = append(outcomes, r.receive(m).Outcome)
			time.Sleep(time.Second)
		}
		require.Equal(t, map[greenflash.Form][]webhook.Outcome{
			greenflash.FormTimestamp: {webhook.Handled, webhook.Handled},
			greenflash.FormDelivery:  {webhook.Unauthenticated, webhook.Unauthenticated},
			greenflash.FormBody:      {webhook.Handled, webhook.Duplicate},
		}[form], outcomes)
	})
}

func TestSignature_PreventsFormConfusion(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := newReceiver(t, greenflash.Config{})
		now := strconv.FormatInt(time.Now().Unix(), 10)

		timestamp := r.signed(greenflash.FormTimestamp, frustration, now, "d1")
		asBody := message{timestamp.header, []byte(now + "." + frustration)}
		require.Equal(t, webhook.Unauthenticated, r.receive(asBody).Outcome)

		delivery := r.signed(greenflash.FormDelivery, frustration, now, now)
		asTimestamp := message{delivery.header, []byte(now + "." + frustration)}
		require.Equal(t, webhook.Unauthenticated, r.receive(asTimestamp).Outcome)

		require.Equal(t, webhook.Unauthenticated, r.receive(delivery.with("X-Greenflash-Delivery")).Outcome)
		require.Zero(t, r.runs())
	})
}

func TestSignature_RefusesAllButLiveKeys(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		genuine := r.sent(form, frustration, time.Now(), "d1")
		mac := genuine.header.Get("X-Greenflash-Signature")
		r.sender = r.sender.WithSecret("another secret")
		for name, m := range map[string]message{
			"another secret":      r.sent(form, frustration, time.Now(), "d1"),
			"another body":        {genuine.header, []byte(frustration + " ")},
			"no body":             {genuine.header, nil},
			"no signature":        genuine.with("X-Greenflash-Signature"),
			"an empty signature":  genuine.with("X-Greenflash-Signature", ""),
			"a cut signature":     genuine.with("X-Greenflash-Signature", mac[:len(mac)-1]),
			"two in one":          genuine.with("X-Greenflash-Signature", mac+","+mac),
			"signature twice":     genuine.with("X-Greenflash-Signature", mac, mac),
			"timestamp twice":     genuine.with("X-Greenflash-Timestamp", append(genuine.header["X-Greenflash-Timestamp"], "1")...),
			"delivery id twice":   genuine.with("X-Greenflash-Delivery", "d1", "d1"),
			"no timestamp":        genuine.with("X-Greenflash-Timestamp"),
			"an empty timestamp":  genuine.with("X-Greenflash-Timestamp", ""),
			"a dotted id":         genuine.with("X-Greenflash-Delivery", "d.1"),
			"an empty id":         genuine.with("X-Greenflash-Delivery", ""),
			"another prefix":      genuine.with("X-Greenflash-Signature", "sha1="+mac[len("sha256="):]),
			"names in both cases": both(genuine),
		} {
			result := r.receive(m)
			require.Equal(t, webhook.Unauthenticated, result.Outcome, name)
			require.Equal(t, http.StatusUnauthorized, result.Status, name)
			require.JSONEq(t, `{"received":false}`, string(result.Body), name)
			require.NotContains(t, result.Err.Error(), mac[len("sha256="):], name)
		}
		require.Zero(t, r.runs())
	})
}

// both returns the signature header under two spellings of its name.
func both(m message) message {
	m = m.with("X-Greenflash-Attempt")
	m.header["x-greenflash-signature"] = m.header["X-Greenflash-Signature"]
	return m
}

func TestTimestamp_TakesSecondsOrMilliseconds(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		now := time.Now()
		seconds := strconv.FormatInt(now.Unix(), 10)
		milliseconds := strconv.FormatInt(now.UnixMilli(), 10)
		r := newReceiver(t, greenflash.Config{})
		for i, accepted := range []string{seconds, milliseconds} {
			body := `{"type":"conversation.started","data":{"conversationId":"` + strconv.Itoa(i) + `"}}`
			result := r.receive(r.signed(form, body, accepted, "d1"))
			require.Equal(t, webhook.Handled, result.Outcome, accepted)
			require.Equal(t, now.Unix(), result.Delivery.Time.Unix(), "the event's time, because the body has none")
		}
		for _, refused := range []string{
			"", "+" + seconds, "-" + seconds, seconds + ".0", " " + seconds, seconds + " ", seconds + "\n", "0" + seconds,
			"000" + seconds, "0x65545f10", "1.7934e9", seconds[:8], seconds + "0", milliseconds + "0", now.Format(time.RFC3339), "١٧٩٣٦٢٠٨٠٠",
		} {
			result := r.receive(r.signed(form, frustration, refused, "d1"))
			if refused == "000"+seconds { // thirteen digits: milliseconds of 1970
				require.Equal(t, webhook.ReasonStale, result.Reason, "%q", refused)
				continue
			}
			require.Equal(t, webhook.Unauthenticated, result.Outcome, "%q", refused)
		}
		require.Equal(t, 2, r.runs())
	})
}

func TestWindow_AllowsFiveMinutesEitherWay(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		for sentAgo, want := range map[time.Duration]webhook.Reason{
			5 * time.Minute:                webhook.ReasonNone,
			5*time.Minute + time.Second:    webhook.ReasonStale,
			100 * 365 * 24 * time.Hour / 4: webhook.ReasonStale,
			-5 * time.Minute:               webhook.ReasonNone,
			-5*time.Minute - time.Second:   webhook.ReasonFuture,
			-200 * 365 * 24 * time.Hour:    webhook.ReasonFuture,
		} {
			r := newReceiver(t, greenflash.Config{})
			result := r.receive(r.sent(form, frustration, time.Now().Add(-sentAgo), "d1"))
			require.Equal(t, want, result.Reason, "sent %v ago", sentAgo)
			require.Equal(t, want == webhook.ReasonNone, result.Outcome == webhook.Handled)
			switch want {
			case webhook.ReasonStale:
				require.Equal(t, http.StatusUnauthorized, result.Status)
			case webhook.ReasonFuture:
				require.Equal(t, http.StatusServiceUnavailable, result.Status)
				require.Positive(t, result.RetryAfter)
			}
		}
	})
}

func TestWindow_ChecksHeaderNotBody(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{Window: time.Minute})
		old := `{"type":"conversation.started","timestamp":"2001-01-01T00:00:00Z","data":{}}`
		result := r.receive(r.sent(form, old, time.Now(), "d1"))
		if form == greenflash.FormBody { // the signature does not cover the header
			require.Equal(t, webhook.ReasonStale, result.Reason)
			return
		}
		require.Equal(t, webhook.Handled, result.Outcome)
		require.Equal(t, 2001, result.Delivery.Time.Year(), "the event's time does not change")
		require.Equal(t, webhook.ReasonStale, r.receive(r.sent(form, frustration, time.Now().Add(-61*time.Second), "d2")).Reason)
	})
}
