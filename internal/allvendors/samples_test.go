package allvendors_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/lossless"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func TestSamples_CoverEveryType(t *testing.T) {
	shapes := map[string][]string{ // by type
		"greenflash/conversation.frustration": {"conversation.frustration", "conversation.frustration.flat"},
		"emberqa/completed_action":            {"completion_call", "completion_workflow"},
	}
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		var want, got [][2]string
		for _, kind := range v.Profile.Events {
			names := shapes[v.Name()+"/"+kind.Name()]
			if names == nil {
				names = []string{kind.Name()}
			}
			for _, name := range names {
				want = append(want, [2]string{name, kind.Name()})
			}
		}
		for _, s := range v.Samples {
			got = append(got, [2]string{s.Name, s.Type})
		}
		require.Equal(t, want, got, "name and type, in the order of the types")
	})
}

func TestSamples_MarkOnlyDocumentedOnes(t *testing.T) {
	documented := map[string][]string{
		"emberqa":  {"red_flag", "low_score", "completion_call", "completion_workflow"},
		"workflux": {"conversation.started", "conversation.completed", "agent.response", "integration.sync"},
	}
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		var got []string
		for _, s := range v.Samples {
			if s.Documented {
				got = append(got, s.Name)
			}
		}
		require.Equal(t, documented[v.Name()], got)
	})
}

func TestSamples_AreIndependentCopies(t *testing.T) {
	spoilt := vendortest.All()
	var bodies []string
	for _, v := range spoilt {
		for _, s := range v.Samples {
			bodies = append(bodies, string(s.Body))
			clear(s.Body)
		}
	}
	for _, v := range vendortest.All() {
		for _, s := range v.Samples {
			require.Equal(t, bodies[0], string(s.Body))
			require.True(t, json.Valid(s.Body))
			bodies = bodies[1:]
		}
	}
}

func TestSamples_DecodeWithoutLoss(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		kit.OnADay(t, func(t *testing.T) {
			var r vendortest.Recorder
			h := v.Handler(t)
			h.OnEvent(r.Callback)
			body := v.Dated(s.Body, time.Now())
			sender := v.Sender(t, h)
			sender.Send(sender.Raw(body)).WantOK()
			require.Len(t, r.Events(), 1)
			e := r.Events()[0]
			require.Equal(t, s.Type, envelope(e).Type)
			require.Equal(t, s.Type, e.Delivery().Type)
			if v.Profile.TimeField != "" || !bytes.Equal(body, s.Body) { // otherwise the body has no time
				require.Equal(t, time.Now().Unix(), envelope(e).Time.Unix())
			} else {
				require.Zero(t, envelope(e).Time)
			}
			require.Equal(t, body, e.Delivery().Body)
			require.Empty(t, e.Unknown())
			lossless.Check(t, v.Profile.Envelope, body, e, e.Unknown())
		})
	})
}

func TestEvents_MarshalOnlySentFields(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		typed, err := json.Marshal(v.Receive(t, s.Body))
		require.NoError(t, err)
		var kept map[string]any
		require.NoError(t, json.Unmarshal(typed, &kept))
		require.Contains(t, kept, "@event")
		delete(kept, "@event")
		v.Change(t, s.Body, func(body, data map[string]any) {
			names := v.Profile.Envelope
			for _, name := range slices.Concat(names.Type, names.ID, names.Time) {
				delete(body, name)
			}
			require.ElementsMatch(t, slices.Collect(maps.Keys(data)), slices.Collect(maps.Keys(kept)))
		})
	})
}

func TestUnknown_KeepsNewFields(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		at := ""
		body := v.Change(t, s.Body, func(body, data map[string]any) {
			data["new"] = true
			data["nested"] = map[string]any{"deep": []any{map[string]any{"x": nil}}}
			data["nothing"] = nil
			data["a/b~c"] = "<"
			data["@event"] = map[string]any{"id": "forged", "type": "forged"}
			if body["new"] == nil {
				at = "/data"
			}
			body["trace"] = map[string]any{"a/b": []int{1, 2}}
		})
		e := v.Receive(t, body)
		require.Equal(t, map[string]json.RawMessage{
			"/trace":        json.RawMessage(`{"a/b":[1,2]}`),
			at + "/new":     json.RawMessage(`true`),
			at + "/nested":  json.RawMessage(`{"deep":[{"x":null}]}`),
			at + "/nothing": json.RawMessage(`null`),
			at + "/a~1b~0c": json.RawMessage(`"\u003c"`),
			at + "/@event":  json.RawMessage(`{"id":"forged","type":"forged"}`),
		}, e.Unknown())
		require.Equal(t, s.Type, envelope(e).Type)
		require.Equal(t, s.Type, e.Delivery().Type)
		require.NotEqual(t, "forged", envelope(e).ID)
	})
}
