package greenflash_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook"
)

const frustration = `{"type":"conversation.frustration","data":{"conversationId":"c1"}}`

// forgeries returns the messages that an attacker without the secret can make from m by changing headers.
func forgeries(m message) map[string]message {
	mac := strings.TrimPrefix(m.header.Get("X-Greenflash-Signature"), "sha256=")
	lower := m.with("X-Greenflash-Signature")
	lower.header["x-greenflash-signature"] = []string{mac}
	now := time.Now()
	return map[string]message{
		"unchanged":                       m,
		"another delivery id":             m.with("X-Greenflash-Delivery", "another"),
		"no delivery id":                  m.with("X-Greenflash-Delivery"),
		"signature in upper case":         m.with("X-Greenflash-Signature", "sha256="+strings.ToUpper(mac)),
		"signature without prefix":        m.with("X-Greenflash-Signature", mac),
		"signature in upper case, bare":   m.with("X-Greenflash-Signature", strings.ToUpper(mac)),
		"another timestamp":               m.with("X-Greenflash-Timestamp", strconv.FormatInt(now.Unix()+1, 10)),
		"the timestamp in milliseconds":   m.with("X-Greenflash-Timestamp", strconv.FormatInt(now.UnixMilli(), 10)),
		"another id and timestamp":        m.with("X-Greenflash-Delivery", "x").with("X-Greenflash-Timestamp", strconv.FormatInt(now.Unix()+2, 10)),
		"a header's name in another case": lower,
		"a header that is not read":       m.with("X-Greenflash-Attempt", "2"),
	}
}

func TestACapturedDeliveryRunsOnceHoweverItsHeadersAreChanged(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		capture := newReceiver(t, greenflash.Config{}).sent(form, frustration, time.Now(), "d1")
		names := slices.Sorted(maps.Keys(forgeries(capture)))
		for _, first := range names {
			for _, second := range names {
				r := newReceiver(t, greenflash.Config{})
				r.receive(forgeries(capture)[first])
				r.receive(forgeries(capture)[second])
				require.LessOrEqual(t, r.runs(), 1, "%s, then %s", first, second)
				require.Equal(t, webhook.Duplicate, firstOf(r, capture), "%s, then %s, then the genuine one", first, second)
				require.Equal(t, 1, r.runs())
			}
		}
	})
}

// firstOf makes sure that m has run once, and returns the result of a further attempt.
func firstOf(r *receiver, m message) webhook.Outcome {
	if r.runs() == 0 {
		r.receive(m)
	}
	return r.receive(m).Outcome
}

func TestACapturedDeliveryRunsOnceThoughManyReplaysArriveAtOnce(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		r.React = func(context.Context, webhook.AnyEvent) error { time.Sleep(time.Second); return nil }
		outcomes := make(chan webhook.Outcome)
		all := forgeries(r.sent(form, frustration, time.Now(), "d1"))
		for _, m := range all {
			go func() { outcomes <- r.receive(m).Outcome }()
		}
		for range all {
			require.Contains(t, []webhook.Outcome{webhook.Handled, webhook.Duplicate, webhook.InFlight, webhook.Unauthenticated}, <-outcomes)
		}
		require.Equal(t, 1, r.runs())
	})
}

func TestANewAttemptWithANewTimestampIsADuplicate(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		require.Equal(t, webhook.Handled, r.receive(r.sent(form, frustration, time.Now(), "d1")).Outcome)
		time.Sleep(time.Minute)
		retry := r.sent(form, frustration, time.Now(), "d1")
		require.Equal(t, webhook.Duplicate, r.receive(retry).Outcome)

		// The attacker now captures the retry.
		for name, replay := range forgeries(retry) {
			require.NotEqual(t, webhook.Handled, r.receive(replay).Outcome, name)
		}
		require.Equal(t, 1, r.runs())
	})
}

func TestANewAttemptWhileTheFirstStillRunsIsNeverRun(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		r.React = func(context.Context, webhook.AnyEvent) error { time.Sleep(20 * time.Second); return nil }
		require.Equal(t, webhook.ReasonOverrun, r.receive(r.sent(form, frustration, time.Now(), "d1")).Reason)
		retry := r.sent(form, frustration, time.Now(), "d1")
		require.Equal(t, webhook.InFlight, r.receive(retry).Outcome)
		for name, replay := range forgeries(retry) {
			require.NotEqual(t, webhook.Handled, r.receive(replay).Outcome, name)
		}
		time.Sleep(30 * time.Second) // the first run has ended
		for name, replay := range forgeries(retry) {
			require.NotEqual(t, webhook.Handled, r.receive(replay).Outcome, name)
		}
		require.Equal(t, 1, r.runs())
	})
}

func TestAFailedDeliveryRunsAgain(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		r.React = func(context.Context, webhook.AnyEvent) error { return errors.New("not now") }
		require.Equal(t, webhook.Failed, r.receive(r.sent(form, frustration, time.Now(), "d1")).Outcome)
		r.React = nil
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Handled, r.receive(r.sent(form, frustration, time.Now(), "d1")).Outcome)
	})
}

func TestACapturedDeliveryCannotBlockAnothersID(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		captured := r.sent(form, frustration, time.Now(), "d1")
		other := `{"type":"conversation.struggle","data":{"conversationId":"c2"}}`
		r.receive(captured.with("X-Greenflash-Delivery", "d2"))
		require.Equal(t, webhook.Handled, r.receive(r.sent(form, other, time.Now(), "d2")).Outcome)
	})
}

// The package documentation lists these replays as possible.
func TestReplay_RemainsPossibleAsDocumented(t *testing.T) {
	failOnce := func(r *receiver, m message) {
		r.React = func(context.Context, webhook.AnyEvent) error { return errors.New("not now") }
		require.Equal(t, webhook.Failed, r.receive(m).Outcome)
		r.React = nil
	}
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		signsTimeAlone := form == greenflash.FormTimestamp

		r := newReceiver(t, greenflash.Config{})
		capture := r.sent(form, frustration, time.Now(), "d1")
		failOnce(r, capture)
		r.receive(capture.with("X-Greenflash-Delivery", "d2"))
		time.Sleep(time.Minute)
		retry := r.receive(r.sent(form, frustration, time.Now(), "d1")).Outcome
		require.Equal(t, form != greenflash.FormBody, retry == webhook.Handled, "%v", retry)
		require.Equal(t, signsTimeAlone, r.runs() == 3, "a failed delivery, its replay, and its retry")

		r = newReceiver(t, greenflash.Config{})
		capture = r.sent(form, frustration, time.Now(), "d1")
		failOnce(r, capture)
		r.receive(capture.with("X-Greenflash-Delivery", "d2"))
		time.Sleep(time.Second)
		later := r.receive(r.sent(form, frustration, time.Now(), "d2")).Outcome
		require.Equal(t, form != greenflash.FormDelivery, later == webhook.Duplicate, "%v", later)

		for name, m := range map[string]func(capture message) message{
			"as it was": func(m message) message { return m },
			"new time": func(m message) message {
				return m.with("X-Greenflash-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
			},
		} {
			r = newReceiver(t, greenflash.Config{})
			capture = r.sent(form, frustration, time.Now(), "d1")
			require.Equal(t, webhook.Handled, r.receive(capture).Outcome)
			time.Sleep(90 * 24 * time.Hour) // past the retention of the store
			again := r.receive(m(capture)).Outcome == webhook.Handled
			require.Equal(t, form == greenflash.FormBody && name == "new time", again, name)
		}
	})
}

func TestEqualBodiesAreTwoEventsWhereTheTimestampIsSignedAndOtherwiseOne(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		r.receive(r.sent(form, frustration, time.Now(), "d1"))
		time.Sleep(time.Second)
		second := r.receive(r.sent(form, frustration, time.Now(), "d2"))
		if form == greenflash.FormBody {
			require.Equal(t, webhook.Duplicate, second.Outcome)
		} else {
			require.Equal(t, webhook.Handled, second.Outcome)
		}
	})
}

func TestEqualBodiesOfOneSecondAreTwoEventsOnlyWhereTheDeliveryIDIsSigned(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		r.receive(r.sent(form, frustration, time.Now(), "d1"))
		second := r.receive(r.sent(form, frustration, time.Now(), "d2"))
		if form == greenflash.FormDelivery {
			require.Equal(t, webhook.Handled, second.Outcome)
		} else {
			require.Equal(t, webhook.Duplicate, second.Outcome)
		}
	})
}

func TestTheIDInTheBodyTellsNoDuplicates(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{})
		for i, body := range []string{
			`{"type":"conversation.started","id":"c1","data":{}}`,
			`{"type":"conversation.rating","id":"c1","data":{}}`,
		} {
			result := r.receive(r.sent(form, body, time.Now(), "d"+strconv.Itoa(i)))
			require.Equal(t, webhook.Handled, result.Outcome)
			require.Equal(t, "c1", result.Delivery.EventID)
		}
	})
}

func TestTheDeliveryIsNamedByWhatIsSigned(t *testing.T) {
	forEachForm(t, func(t *testing.T, form greenflash.Form) {
		r := newReceiver(t, greenflash.Config{Endpoint: "eu"})
		d := r.receive(r.sent(form, frustration, time.Now(), "d1")).Delivery
		require.Equal(t, string(form), d.Form)
		require.Equal(t, "default", d.SignedBy)
		if form == greenflash.FormDelivery {
			require.Equal(t, "d1", d.ID)
		} else {
			require.Len(t, d.ID, 64, "a digest, because anyone can change the header")
		}
		require.True(t, strings.HasPrefix(d.Keys[0], "greenflash/eu/content/"), "claimed first")
		require.Equal(t, form != greenflash.FormBody, len(d.Keys) == 2)
		require.NotContains(t, d.Header, "X-Greenflash-Signature")
	})
}
