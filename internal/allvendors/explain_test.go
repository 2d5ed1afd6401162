package allvendors_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestExplain_NamesEachCause(t *testing.T) {
	now := time.Unix(1795283259, 0)
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		if v.Profile.Scheme == nil {
			t.Skip("it signs nothing: see the tests of its package")
		}
		for _, form := range v.Profile.Scheme.Forms {
			sender := &signtest.Sender{Scheme: *v.Profile.Scheme, Form: form.Name, Now: now}
			for _, m := range signtest.Cases() {
				d := m.Make(sender)
				if d == nil || m.Unseen {
					continue
				}
				t.Run(form.Name+"/"+m.Name, func(t *testing.T) {
					first := d.Given
					if d.Previous != "" {
						first = d.Previous
					}
					h, err := v.NewHandler(first, quiet())
					require.NoError(t, err)
					if d.Previous != "" || !d.NotAfter.IsZero() {
						keys := h.(interface {
							SetKeys(keys ...signature.Key) error
						})
						require.NoError(t, keys.SetKeys(signature.Key{Name: "default", Secret: signature.NewSecret(d.Given), NotAfter: d.NotAfter}))
					}
					e := h.Explain(webhook.Request{Header: d.Header, Body: bytes.NewReader(d.Body), ContentLength: d.Declared}, now)
					require.Equal(t, m.Cause, e.Cause, e.Text)
					require.Contains(t, e.Text, m.Says)
				})
			}
		}
	})
}

func TestExplain_SeparatesGenuineFromUnexplained(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		kit.OnADay(t, func(t *testing.T) {
			h := v.Handler(t)
			h.OnEvent(succeed)
			sender := v.Sender(t, h)
			explain := func(sender *webhooktest.Sender) diagnose.Explanation {
				r := sender.Request(sender.Sample(s.Name))
				return h.Explain(webhook.Request{URL: r.URL, Header: r.Header, Body: r.Body}, time.Time{})
			}
			e := explain(sender)
			require.Equal(t, diagnose.None, e.Cause, e.Text)
			e = explain(sender.WithSecret("a guessed secret"))
			require.Equal(t, diagnose.Unexplained, e.Cause, e.Text)
		})
	})
}

func TestExplain_NamesUnacceptedForm(t *testing.T) {
	now := time.Unix(1795283259, 0)
	sender := &signtest.Sender{Scheme: *greenflash.Profile().Scheme, Form: string(greenflash.FormBody), Now: now}
	d := sender.Send(signtest.OddSecret, []byte(signtest.Body))
	h, err := greenflash.Config{Keys: []signature.Key{signature.NewKey("default", signtest.OddSecret)}, Form: greenflash.FormDelivery}.NewHandler(quiet())
	require.NoError(t, err)
	e := h.Explain(webhook.Request{Method: http.MethodPost, Header: d.Header, Body: bytes.NewReader(d.Body)}, now)
	require.Equal(t, diagnose.OtherForm, e.Cause)
	require.Contains(t, e.Text, `"body"`)
	require.Contains(t, e.Text, `"delivery.timestamp.body"`)
}
