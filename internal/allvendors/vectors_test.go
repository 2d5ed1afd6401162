package allvendors_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// outcomes has the outcomes of the vectors' reasons. The outcome of every other reason is Unauthenticated.
var outcomes = map[signature.Reason]webhook.Outcome{
	signature.Stale:                          webhook.Rejected,
	signature.Future:                         webhook.Rejected,
	signature.Reason(webhook.ReasonNoTime):   webhook.Rejected,
	signature.Reason(webhook.ReasonNoObject): webhook.Rejected,
}

func TestHandler_MatchesReferenceVectors(t *testing.T) {
	for _, file := range signtest.LoadVectors(t, "../../signature/testdata") {
		synctest.Test(t, func(t *testing.T) {
			for i := range file.Vectors {
				v := &file.Vectors[i]
				if v.Now != nil {
					time.Sleep(time.Until(time.Unix(*v.Now, 0)))
					require.Equal(t, *v.Now, time.Now().Unix(), "the vectors must come in the order of their times")
				}
				h, err := receiver(file.Vendor, v)
				if v.Want.Reason == signtest.KeysRefused {
					require.Error(t, err, v.Name)
					continue
				}
				require.NoError(t, err, v.Name)
				requireResult(t, file.Vendor+"/"+v.Name, v, deliver(t, h, v))
				require.NoError(t, h.Shutdown(t.Context()))
			}
		})
	}
}

// receiver returns the handler for a vector, with a callback for every type.
func receiver(name string, v *signtest.Vector) (webhook.VendorHandler, error) {
	o := &webhook.Options{Logger: slog.New(slog.DiscardHandler), MaxBody: 2 << 20}
	var h webhook.VendorHandler
	var err error
	if v.Pin != "" { // only Greenflash has several forms
		h, err = greenflash.Config{Keys: v.SigningKeys(), Form: greenflash.Form(v.Pin)}.NewHandler(o)
	} else {
		h, err = vendortest.New(name, vendortest.Secret).Configure(vendortest.Config{Keys: v.SigningKeys()}, o)
	}
	if err != nil {
		return nil, err
	}
	h.OnEvent(new(vendortest.Recorder).Callback)
	return h, nil
}

// deliver sends the vector. The header names are exactly those of the vector.
func deliver(t *testing.T, h webhook.VendorHandler, v *signtest.Vector) webhook.Result {
	t.Helper()
	header := http.Header{}
	for _, line := range v.Headers {
		header[line[0]] = append(header[line[0]], line[1])
	}
	return h.Process(t.Context(), webhook.Request{Header: header, Body: bytes.NewReader(v.Body())})
}

func requireResult(t *testing.T, name string, v *signtest.Vector, result webhook.Result) {
	t.Helper()
	if !v.Want.Accepted {
		want, authentic := outcomes[v.Want.Reason]
		if !authentic {
			want = webhook.Unauthenticated
		}
		require.Equal(t, want, result.Outcome, name)
		require.Equal(t, webhook.Reason(v.Want.Reason), result.Reason, name)
		require.Equal(t, authentic, result.Delivery != nil, name)
		return
	}
	require.NotNil(t, result.Delivery, "%s: %v", name, result.Err)
	require.Equal(t, v.Want.Key, result.Delivery.SignedBy, name)
	require.Equal(t, v.Want.Form, result.Delivery.Form, name)
	if v.Now == nil {
		return // the vector only tests that the delivery is authentic
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(v.Body(), &object) != nil || object == nil {
		require.Equal(t, webhook.ReasonNoObject, result.Reason, name)
		return
	}
	require.Contains(t, []webhook.Outcome{webhook.Handled, webhook.Unhandled}, result.Outcome, "%s: %v", name, result.Err)
}
