package allvendors_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestASignatureMadeByHandOverTheBodyAloneIsAccepted(t *testing.T) {
	headers := map[string]string{"convosphere": "X-Convosphere-Signature", "workflux": "X-Workflux-Signature"}
	forEachVendor(t, func(t *testing.T, v *allvendors.Vendor, kit *vendortest.Kit) {
		name := headers[v.Name]
		if name == "" {
			t.Skip("it signs nothing, or more than the body: see its own tests")
		}
		h := kit.Handler(t)
		h.OnEach(succeed)
		body := string(kit.Sample(t, v.Samples[0].Name))
		mac := hmac.New(sha256.New, []byte(allvendors.Secret)) // and not by the scheme that is under test
		mac.Write([]byte(body))
		header := http.Header{name: {hex.EncodeToString(mac.Sum(nil))}}
		result := h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(body)})
		require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)

		result = h.Process(t.Context(), webhook.Request{Header: header, Body: strings.NewReader(body + "\n")})
		require.Equal(t, webhook.Forged, result.Outcome)
	})
}

func TestADeliveryIsTakenWithinTheWindowAndTheLastRetryIsWithinIt(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *allvendors.Vendor, kit *vendortest.Kit) {
		window := windows[v.Name]
		require.Equal(t, window, v.Profile.Window)
		if window == 0 {
			t.Skip("no time is signed")
		}
		outcomes := map[time.Duration]webhook.Outcome{
			-5*time.Minute - time.Second: webhook.Future,
			-5 * time.Minute:             webhook.Handled,
			window:                       webhook.Handled,
			window + time.Second:         webhook.Stale,
		}
		if v.Profile.TimeHeader == "" { // else each attempt has a time of its own
			for _, reading := range v.Schedules {
				outcomes[reading.Attempts[len(reading.Attempts)-1]] = webhook.Handled
			}
		}
		for ago, want := range outcomes {
			onADay(t, func(t *testing.T) {
				h := kit.Handler(t)
				h.OnEach(succeed)
				sender := kit.Sender(t, h).WithClock(-ago)
				result := sender.Process(sender.Sample(v.Samples[0].Name))
				require.Equal(t, want, result.Outcome, "%v old", ago)
			})
		}
	})
}

func TestTheLastFailureIsParkedAndConfigAttemptsSaysWhichItIs(t *testing.T) {
	last := map[string]int{"greenflash": 1, "emberqa": 2, "convosphere": 6, "workflux": 5}
	forEachVendor(t, func(t *testing.T, v *allvendors.Vendor, kit *vendortest.Kit) {
		for attempts, want := range map[int]int{0: last[v.Name], 1: 1, 2: 2, 3: 3, 7: 7} {
			parked := 0
			o := quiet()
			o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { parked++; return nil }
			h, err := v.Configure(allvendors.Config{Keys: []signature.Key{allvendors.Key()}, Attempts: attempts}, o)
			require.NoError(t, err)
			h.OnEach(func(context.Context, webhook.AnyEvent) error { return errors.New("no pager") })
			sender := kit.Sender(t, h)
			d := sender.Sample(v.Samples[0].Name)
			for range want - 1 {
				require.Equal(t, webhook.Failed, sender.Process(d).Outcome, "attempts: %d", attempts)
			}
			require.Zero(t, parked)
			require.Equal(t, webhook.DeadLettered, sender.Process(d).Outcome, "attempts: %d", attempts)
			require.Equal(t, webhook.Duplicate, sender.Process(d).Outcome)
			require.Equal(t, 1, parked)
		}
	})
}

func TestATypeThatIsNotKnownIsUnhandledAndAnswered200(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *allvendors.Vendor, kit *vendortest.Kit) {
		bodies := []string{`{}`, `{"data":{}}`}
		for _, name := range v.Profile.Envelope.Type {
			for _, value := range []string{`"conversation.renamed"`, `"silence"`, `""`, `7`, `null`, `{}`, `[]`} {
				bodies = append(bodies, fmt.Sprintf(`{%q:%s}`, name, value), fmt.Sprintf(`{%q:%s,"data":{}}`, name, value))
			}
		}
		h := kit.Handler(t)
		h.OnEach(func(context.Context, webhook.AnyEvent) error { return errors.New("none of its business") })
		for _, body := range bodies {
			result := kit.Send(t, h, []byte(body))
			require.Equal(t, webhook.Unhandled, result.Outcome, body)
			require.Equal(t, http.StatusOK, result.Status, body)
		}
		fresh := kit.Change(t, kit.Sample(t, v.Samples[0].Name), func(body, _ map[string]any) {
			for _, name := range v.Profile.Envelope.Type {
				delete(body, name)
			}
			body[v.Profile.Envelope.Type[0]] = "conversation.reopened"
		})
		result := kit.Send(t, h, fresh)
		require.Equal(t, webhook.Unhandled, result.Outcome)
		require.Equal(t, webhook.ReasonUnknownType, result.Reason)
		require.Equal(t, http.StatusOK, result.Status)
	})
}
