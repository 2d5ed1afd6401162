package greenflash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// fasthttp overwrites the memory of a request's strings after the response.
func TestADeliveryKeepsNothingOfTheRequestsMemory(t *testing.T) {
	for _, form := range greenflash.Profile().Scheme.Forms {
		hook, err := greenflash.NewHandler("whsec", nil)
		require.NoError(t, err)
		hook.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
		sender := greenflashtest.NewSender(t, hook, "whsec").WithForm(form.Name)
		delivery := sender.Samples()[0]
		request, body := sender.Request(delivery), delivery.Body

		var memory [][]byte
		recycled := func(s string) string {
			b := []byte(s)
			memory = append(memory, b)
			return unsafe.String(unsafe.SliceData(b), len(b))
		}
		header := make(http.Header)
		for name, values := range request.Header {
			header[name] = []string{recycled(values[0])}
		}
		result := hook.Process(t.Context(), webhook.Request{Header: header, Body: bytes.NewReader(body)})
		require.Equal(t, http.StatusOK, result.Status, form.Name)
		before, err := json.Marshal(result.Delivery)
		require.NoError(t, err)
		for _, b := range append(memory, body) {
			clear(b)
		}
		after, err := json.Marshal(result.Delivery)
		require.NoError(t, err)
		require.JSONEq(t, string(before), string(after), form.Name)
	}
}
