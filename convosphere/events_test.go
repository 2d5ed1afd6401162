package convosphere_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/internal/lossless"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEveryListedTypeHasASampleThatSetsEveryField(t *testing.T) {
	for i, s := range convospheretest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			require.Equal(t, convosphere.Profile().Events[i].Name(), s.Type)
			e := receive(t, s.Body)
			require.Equal(t, s.Type, e.Delivery().Type)
			require.Empty(t, e.Unknown())
			var sent struct{ Data map[string]any }
			require.NoError(t, json.Unmarshal(s.Body, &sent))
			require.ElementsMatch(t, fieldNames(e), slices.Collect(maps.Keys(sent.Data)))
		})
	}
}

func TestNothingOfASampleIsLost(t *testing.T) {
	for _, s := range convospheretest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			e := receive(t, s.Body)
			lossless.Check(t, convosphere.Profile().Envelope, e.Delivery().Body, e, e.Unknown())
		})
	}
}

func TestWhatAPayloadHasGrownByIsInUnknown(t *testing.T) {
	for _, s := range convospheretest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			e := receive(t, change(t, s.Body, func(body, data map[string]any) {
				body["trace"] = map[string]any{"a/b": []int{1, 2}}
				data["new"] = true
				data["nested"] = map[string]any{"deep": []any{map[string]any{"x": nil}}}
				data["nothing"] = nil
				data["@event"] = map[string]any{"id": "forged", "type": "forged"}
			}))
			require.Equal(t, map[string]json.RawMessage{
				"/trace":        json.RawMessage(`{"a/b":[1,2]}`),
				"/data/new":     json.RawMessage(`true`),
				"/data/nested":  json.RawMessage(`{"deep":[{"x":null}]}`),
				"/data/nothing": json.RawMessage(`null`),
				"/data/@event":  json.RawMessage(`{"id":"forged","type":"forged"}`),
			}, e.Unknown())
			lossless.Check(t, convosphere.Profile().Envelope, e.Delivery().Body, e, e.Unknown())
			require.Equal(t, s.Type, e.Delivery().Type)
		})
	}
}

func TestNullNeverFails(t *testing.T) {
	for _, s := range convospheretest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			fields := receive(t, change(t, s.Body, func(_, data map[string]any) {
				for name := range data {
					data[name] = nil
				}
			}))
			require.Empty(t, fields.Unknown())
			receive(t, change(t, s.Body, func(body, _ map[string]any) { body["data"] = nil }))
			receive(t, change(t, s.Body, func(body, _ map[string]any) { delete(body, "data") }))
		})
	}
}

// takesAnything are the fields of which so little is known that nothing in them is wrong.
var takesAnything = map[string]bool{
	"user.feedback/rating":   true,
	"user.feedback/comment":  true,
	"error.occurred/code":    true,
	"error.occurred/message": true,
}

func TestAFieldOfTheWrongTypeIsAnErrorThatNamesTheField(t *testing.T) {
	for _, s := range convospheretest.Samples() {
		for _, name := range fieldNames(receive(t, s.Body)) {
			if takesAnything[s.Type+"/"+name] {
				continue
			}
			t.Run(s.Name+"/"+name, func(t *testing.T) {
				body := change(t, s.Body, func(_, data map[string]any) { data[name] = []int{1} })
				h := newHandler(t)
				events := registerAll(t, h)
				result := send(t, h, sender.Stamp(body, time.Now()))
				require.Equal(t, webhook.Undecodable, result.Outcome)
				require.Equal(t, http.StatusInternalServerError, result.Status)
				require.Empty(t, events)
				require.ErrorContains(t, result.Err, s.Type)
				if name != "createdAt" { // time.Time does not say of which field it is
					require.ErrorContains(t, result.Err, name)
				}
			})
		}
	}
}

func TestWhatIsWrongWithABodyIsNotToldToTheSender(t *testing.T) {
	h := newHandler(t)
	registerAll(t, h)
	body := change(t, sample(t, convosphere.TypeMessageCreated), func(_, data map[string]any) { data["messageId"] = 1 })
	r, err := sender.Request(body, time.Now(), "")
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.JSONEq(t, `{"received":false}`, w.Body.String())
}

func TestDataThatIsNoObjectIsAnError(t *testing.T) {
	for _, data := range []any{"text", 1, true, []any{}} {
		h := newHandler(t)
		registerAll(t, h)
		body := change(t, sample(t, convosphere.TypeMessageCreated), func(body, _ map[string]any) { body["data"] = data })
		require.Equal(t, webhook.Undecodable, send(t, h, body).Outcome)
	}
}

// fieldNames returns the names in JSON of an event's own fields.
func fieldNames(e event) []string {
	raw, _ := json.Marshal(e)
	var m map[string]any
	_ = json.Unmarshal(raw, &m)
	delete(m, "@event")
	return slices.Sorted(maps.Keys(m))
}
