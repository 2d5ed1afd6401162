package allvendors_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestSignature_VerifiesIndependentHMAC(t *testing.T) {
	headers := map[string]string{"convosphere": "X-Convosphere-Signature", "workflux": "X-Workflux-Signature"}
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		name := headers[v.Name()]
		if name == "" {
			t.Skip("it signs nothing, or more than the body: see the tests of its package")
		}
		h := v.Handler(t)
		h.OnEvent(succeed)
		body := string(v.Sample(t, v.Samples[0].Name))
		mac := hmac.New(sha256.New, []byte(vendortest.Secret)) // without the scheme that is under test
		mac.Write([]byte(body))
		header := http.Header{name: {hex.EncodeToString(mac.Sum(nil))}}
		result := h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(body)})
		require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)

		result = h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(body + "\n")})
		require.Equal(t, webhook.Unauthenticated, result.Outcome)
	})
}

func TestWindow_CoversLastRetry(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		window := windows[v.Name()]
		require.Equal(t, window, v.Profile.Window)
		if window == 0 {
			t.Skip("no time is signed")
		}
		reasons := map[time.Duration]webhook.Reason{
			-5*time.Minute - time.Second: webhook.ReasonFuture,
			-5 * time.Minute:             webhook.ReasonNone,
			window:                       webhook.ReasonNone,
			window + time.Second:         webhook.ReasonStale,
		}
		if v.Profile.TimeField == "" { // otherwise each attempt has a separate time
			for _, reading := range v.Schedules {
				reasons[reading.Attempts[len(reading.Attempts)-1]] = webhook.ReasonNone
			}
		}
		for ago, want := range reasons {
			kit.OnADay(t, func(t *testing.T) {
				h := v.Handler(t)
				h.OnEvent(succeed)
				sender := v.Sender(t, h).WithClock(-ago)
				result := sender.Process(sender.Sample(v.Samples[0].Name))
				require.Equal(t, want, result.Reason, "%v old", ago)
				require.Equal(t, want == webhook.ReasonNone, result.Outcome == webhook.Handled)
			})
		}
	})
}

func TestAttempts_LastFailureIsDeadLettered(t *testing.T) {
	last := map[string]int{"greenflash": 1, "emberqa": 2, "convosphere": 6, "workflux": 5}
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for attempts, want := range map[int]int{0: last[v.Name()], 1: 1, 2: 2, 3: 3, 7: 7} {
			kit.OnADay(t, func(t *testing.T) { testLastFailure(t, v, attempts, want) })
		}
	})
}

// testLastFailure sends a failing delivery until the last attempt. It follows the vendor's schedule, or sends each minute if
// the number of attempts is configured.
func testLastFailure(t *testing.T, v *vendortest.Kit, attempts, want int) {
	deadLetters := 0
	o := quiet()
	o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { deadLetters++; return nil }
	h, err := v.Configure(vendortest.Config{Keys: []signature.Key{v.Key()}, Attempts: attempts}, o)
	require.NoError(t, err)
	h.OnEvent(func(context.Context, webhook.AnyEvent) error { return errors.New("the pager is down") })
	sender := v.Sender(t, h)
	d := sender.Sample(v.Samples[0].Name)
	schedule := v.Schedules[0].Attempts
	if attempts > 0 {
		schedule = webhooktest.Minutes(0, 1, 2, 3, 4, 5, 6)
	}
	began := time.Now()
	for _, at := range schedule[:want-1] {
		time.Sleep(time.Until(began.Add(at)))
		require.Equal(t, webhook.Failed, sender.Process(d).Outcome, "attempts: %d", attempts)
	}
	require.Zero(t, deadLetters)
	time.Sleep(time.Until(began.Add(schedule[want-1])))
	require.Equal(t, webhook.DeadLettered, sender.Process(d).Outcome, "attempts: %d", attempts)
	require.Equal(t, webhook.Duplicate, sender.Process(d).Outcome)
	require.Equal(t, 1, deadLetters)
}

// A proxy sends every attempt three times, for an event that always fails. No copy may count as an attempt of the vendor, in
// any reading of its schedule.
func TestAttempts_ProxyCopiesChangeNoEnding(t *testing.T) {
	for _, v := range vendortest.All() {
		for _, reading := range v.Schedules {
			for _, save := range []string{"nowhere", "works", "breaks"} {
				s := situation{vendor: v, reading: reading, fails: -1, save: save}
				var plain, copied ending
				synctest.Test(t, func(t *testing.T) { plain = s.run(t) })
				s.reading.Attempts = nil
				for _, at := range reading.Attempts {
					s.reading.Attempts = append(s.reading.Attempts, at, at+time.Millisecond, at+time.Second/2)
				}
				synctest.Test(t, func(t *testing.T) { copied = s.run(t) })
				var want []int
				for _, status := range plain.statuses {
					if want = append(want, status); v.Retried(status) {
						want = append(want, status, status)
					}
				}
				require.Equal(t, want, copied.statuses, "%s", s)
				require.Equal(t, plain.deadLettered, copied.deadLettered, "%s", s)
				require.Equal(t, plain.disabled, copied.disabled, "%s", s)
			}
		}
	}
}

// A person presses a resend button, or a sender replays a captured delivery, while the vendor still retries. Such copies must
// not use up the vendor's attempts.
func TestAttempts_ResendsAreNotTheLast(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		if v.Name() == "greenflash" {
			t.Skip("its first attempt may be the last, so a failure is dead-lettered at once")
		}
		kit.OnADay(t, func(t *testing.T) {
			o := quiet()
			o.DeadLetter = func(context.Context, *webhook.Delivery, error) error {
				return errors.New("DeadLetter must not be called")
			}
			h, err := v.New(o)
			require.NoError(t, err)
			h.OnEvent(func(context.Context, webhook.AnyEvent) error { return errors.New("the pager is down") })
			sender := v.Sender(t, h)
			d := sender.Sample(v.Samples[0].Name)
			for range 6 {
				result := sender.Process(d)
				require.Equal(t, webhook.Failed, result.Outcome)
				require.Equal(t, webhook.ReasonNone, result.Reason)
				time.Sleep(100 * time.Millisecond)
			}
		})
	})
}

func TestHandler_Responds200ToUnknownType(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		bodies := []string{`{}`, `{"data":{}}`}
		for _, name := range v.Profile.Envelope.Type {
			for _, value := range []string{`"conversation.renamed"`, `"silence"`, `""`, `7`, `null`, `{}`, `[]`} {
				bodies = append(bodies, fmt.Sprintf(`{%q:%s}`, name, value), fmt.Sprintf(`{%q:%s,"data":{}}`, name, value))
			}
		}
		h := v.Handler(t)
		h.OnEvent(func(context.Context, webhook.AnyEvent) error { return errors.New("the callback must not be called") })
		for _, body := range bodies {
			result := v.Send(t, h, []byte(body))
			require.Equal(t, webhook.Unhandled, result.Outcome, body)
			require.Equal(t, http.StatusOK, result.Status, body)
		}
		fresh := v.Change(t, v.Sample(t, v.Samples[0].Name), func(body, _ map[string]any) {
			for _, name := range v.Profile.Envelope.Type {
				delete(body, name)
			}
			body[v.Profile.Envelope.Type[0]] = "conversation.reopened"
		})
		result := v.Send(t, h, fresh)
		require.Equal(t, webhook.Unhandled, result.Outcome)
		require.Equal(t, webhook.ReasonUnknownType, result.Reason)
		require.Equal(t, http.StatusOK, result.Status)
	})
}

// For vendors that send an id: two events of different types may have the same id, and a second event of the same type with
// that id must be reported.
func TestDuplicate_SameIDOtherEvent(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		if len(v.Profile.Envelope.ID) == 0 || v.Name() == "greenflash" {
			t.Skip("the id in the body is not a key")
		}
		withID := func(sample int, more string) []byte {
			return v.Change(t, v.Sample(t, v.Samples[sample].Name), func(body, _ map[string]any) {
				body[v.Profile.Envelope.ID[0]] = "test"
				body["more"] = more
			})
		}
		h := v.Handler(t)
		h.OnEvent(succeed)
		other := slices.IndexFunc(v.Samples, func(s webhooktest.Sample) bool { return s.Type != v.Samples[0].Type })
		require.Positive(t, other)
		first := withID(0, "first")
		require.Equal(t, webhook.Handled, v.Send(t, h, first).Outcome)
		require.Equal(t, webhook.Handled, v.Send(t, h, withID(other, "first")).Outcome, "another type")
		require.Equal(t, webhook.ReasonNone, v.Send(t, h, first).Reason)
		second := v.Send(t, h, withID(0, "second"))
		require.Equal(t, webhook.Duplicate, second.Outcome)
		require.Equal(t, webhook.ReasonOtherContent, second.Reason)
	})
}
