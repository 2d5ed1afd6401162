package allvendors_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestSender_RoundTripsTypedEvents(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		kit.OnADay(t, func(t *testing.T) {
			var r vendortest.Recorder
			h := v.Handler(t)
			h.OnEvent(r.Callback)
			sender := v.Sender(t, h)
			sender.Send(sender.Sample(s.Name)).WantOK()
			first := r.Events()[0]
			*envelope(first) = webhook.Event{}
			d := sender.Event(first)
			require.Equal(t, s.Type, d.Type)
			sender.SendTwice(d).WantOK()
			require.Len(t, r.Events(), 2)
			again := r.Events()[1]
			require.Equal(t, s.Type, envelope(again).Type)
			require.Empty(t, again.Unknown())
			if len(v.Profile.Envelope.ID) > 0 {
				require.Equal(t, d.ID, envelope(again).ID)
			}
			*envelope(again) = webhook.Event{}
			require.Equal(t, first, again)

			zero := sender.Event(reflect.New(reflect.TypeOf(first).Elem()).Interface().(webhook.AnyEvent))
			sender.Send(zero).WantOK()
			require.Len(t, r.Events(), 3)
			require.NotEqual(t, zero.ID, d.ID)
			sender.SendForged(d).Want(http.StatusUnauthorized)
		})
	})
}
