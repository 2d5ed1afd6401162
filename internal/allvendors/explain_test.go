package allvendors_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/mistakes"
	"github.com/aihooks/aihooks-go/internal/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestEveryVendorsHandlerExplainsEachMistake(t *testing.T) {
	now := time.Unix(1795283259, 0)
	forEachVendor(t, func(t *testing.T, v *allvendors.Vendor, _ *vendortest.Kit) {
		if v.Profile.Scheme == nil {
			t.Skip("it signs nothing: see the tests of its package")
		}
		for _, form := range v.Profile.Scheme.Forms {
			sender := &mistakes.Sender{Scheme: *v.Profile.Scheme, Form: form.Name, Now: now}
			for _, m := range mistakes.All() {
				d := m.Make(sender)
				if d == nil || m.Unseen {
					continue
				}
				t.Run(form.Name+"/"+m.Name, func(t *testing.T) {
					first := d.Given
					if d.Former != "" {
						first = d.Former
					}
					h, err := v.NewHandler(first, quiet())
					require.NoError(t, err)
					if d.Former != "" {
						keys := h.(interface {
							SetKeys(keys ...signature.Key) error
						})
						require.NoError(t, keys.SetKeys(signature.NewKey("default", d.Given)))
					}
					e := h.Explain(webhook.Request{Header: d.Header, Body: bytes.NewReader(d.Body), ContentLength: d.Declared}, now)
					require.Equal(t, m.Mistake, e.Mistake, e.Text)
					require.Contains(t, e.Text, m.Says)
				})
			}
		}
	})
}

func TestAGenuineSampleOfEveryVendorHasNoMistakeAndAForgedOneNone(t *testing.T) {
	forEachSample(t, func(t *testing.T, _ *allvendors.Vendor, kit *vendortest.Kit, s webhooktest.Sample) {
		onADay(t, func(t *testing.T) {
			h := kit.Handler(t)
			h.OnEvent(succeed)
			sender := kit.Sender(t, h)
			explain := func(sender *webhooktest.Sender) signature.Explanation {
				r := sender.Request(sender.Sample(s.Name))
				return h.Explain(webhook.Request{URL: r.URL, Header: r.Header, Body: r.Body}, time.Time{})
			}
			e := explain(sender)
			require.Equal(t, signature.NoMistake, e.Mistake, e.Text)
			e = explain(sender.WithSecret("a guessed secret"))
			require.Equal(t, signature.Unexplained, e.Mistake, e.Text)
		})
	})
}

func TestAFormThatIsNotAcceptedIsNamed(t *testing.T) {
	now := time.Unix(1795283259, 0)
	sender := &mistakes.Sender{Scheme: *greenflash.Profile().Scheme, Form: string(greenflash.FormBody), Now: now}
	d := sender.Send(mistakes.Secret, []byte(mistakes.Body))
	h, err := greenflash.Config{Keys: []signature.Key{signature.NewKey("default", mistakes.Secret)}, Form: greenflash.FormDelivery}.NewHandler(quiet())
	require.NoError(t, err)
	e := h.Explain(webhook.Request{Method: http.MethodPost, Header: d.Header, Body: bytes.NewReader(d.Body)}, now)
	require.Equal(t, signature.OtherForm, e.Mistake)
	require.Contains(t, e.Text, `"body"`)
	require.Contains(t, e.Text, `"delivery.timestamp.body"`)
}
