package allvendors_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func forEachField(t *testing.T, f func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample, f field)) {
	t.Helper()
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		for _, field := range fieldsOf(goTypeOf(v, s.Type)) {
			t.Run(field.path, func(t *testing.T) { f(t, v, s, field) })
		}
	})
}

func TestFields_AcceptNull(t *testing.T) {
	forEachField(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample, f field) {
		e := v.Receive(t, v.Change(t, s.Body, func(_, data map[string]any) { f.put(data, nil) }))
		require.Empty(t, e.Unknown())
	})
}

func TestFields_AreZeroWhenNotSent(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		goType := goTypeOf(v, s.Type)
		emptied := map[string][]byte{
			"every field is null": v.Change(t, s.Body, func(_, data map[string]any) {
				for _, f := range fieldsOf(goType) {
					if !strings.Contains(f.path, ".") {
						f.put(data, nil)
					}
				}
			}),
			"no field is sent": v.Change(t, s.Body, func(_, data map[string]any) {
				for _, f := range fieldsOf(goType) {
					delete(data, f.path)
				}
			}),
		}
		if name := dataMember(v, s.Body); name != "" {
			emptied["data is null"] = v.Change(t, s.Body, func(body, _ map[string]any) { body[name] = nil })
			emptied["data is not sent"] = v.Change(t, s.Body, func(body, _ map[string]any) { delete(body, name) })
		}
		for name, body := range emptied {
			e := v.Receive(t, body)
			want := reflect.New(goType)
			want.Elem().FieldByName("Event").Set(reflect.ValueOf(envelope(e)).Elem())
			require.JSONEq(t, toJSON(t, want.Interface()), toJSON(t, e), name)
			require.Empty(t, e.Unknown(), name)
			require.Equal(t, s.Type, envelope(e).Type, name)
		}
	})
}

func TestEnvelope_LeavesMissingIDEmpty(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		for _, edit := range []func(body map[string]any, name string){
			func(body map[string]any, name string) { body[name] = nil },
			func(body map[string]any, name string) { delete(body, name) },
		} {
			e := v.Receive(t, v.Change(t, s.Body, func(body, _ map[string]any) {
				for _, name := range v.Profile.Envelope.ID {
					edit(body, name)
				}
			}))
			require.Empty(t, envelope(e).ID)
			require.Empty(t, e.Unknown())
		}
	})
}

func TestFields_KeepUnknownValues(t *testing.T) {
	found := make(map[string]bool)
	forEachField(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample, f field) {
		if f.goType.Kind() != reflect.String || f.goType == reflect.TypeFor[string]() {
			return
		}
		found[f.goType.String()] = true
		for _, value := range []string{"carrier pigeon", ""} {
			e := v.Receive(t, v.Change(t, s.Body, func(_, data map[string]any) { f.put(data, value) }))
			require.Empty(t, e.Unknown())
		}
	})
	require.Equal(t, []string{
		"convosphere.Rating", "convosphere.Role", "convosphere.Text", "emberqa.ContentType", "greenflash.Label",
		"greenflash.TriggerType", "workflux.Channel", "workflux.IntegrationType", "workflux.SyncStatus", "workflux.SyncType",
	}, slices.Sorted(maps.Keys(found)))
}

// takesAnything has the fields that accept any value, because the vendor does not document their type.
var takesAnything = map[string]bool{
	"user.feedback/rating":   true,
	"user.feedback/comment":  true,
	"error.occurred/code":    true,
	"error.occurred/error":   true,
	"error.occurred/message": true,
}

// wrongFor returns values that do not fit a field's type.
func wrongFor(goType reflect.Type) []any {
	object, list := map[string]any{"a": 1}, []any{map[string]any{}}
	switch {
	case goType == reflect.TypeFor[time.Time]():
		return []any{17, true, "yesterday", list, object}
	case readsItself(goType), goType.Kind() == reflect.Struct:
		return []any{0.8, true, "none", []any{}, list}
	}
	switch goType.Kind() {
	case reflect.String:
		return []any{17, true, []any{}, list, object}
	case reflect.Bool:
		return []any{17, "true", []any{}, list, object}
	case reflect.Int64:
		return []any{1.5, true, "45", []any{}, list, object}
	case reflect.Float64:
		return []any{true, "45", []any{}, list, object}
	case reflect.Slice:
		return []any{17, true, "refund", object, []any{17}}
	case reflect.Map:
		return []any{17, true, "none", []any{}, list, object}
	default:
		return nil
	}
}

func TestUndecoded_HoldsOnlyTheMistypedField(t *testing.T) {
	forEachField(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample, f field) {
		if takesAnything[s.Type+"/"+f.path] {
			return
		}
		name := f.path
		if f.own && f.goType != reflect.TypeFor[time.Time]() { // the error of a time does not name the struct
			name = goTypeOf(v, s.Type).Name() + "." + f.path
		}
		wrong := wrongFor(f.goType)
		require.NotEmpty(t, wrong)
		for _, value := range wrong {
			body := v.Change(t, s.Body, func(_, data map[string]any) { f.put(data, value) })
			e := v.Receive(t, body) // checks that all other fields are kept
			require.Len(t, e.Undecoded(), 1, "%s", body)
			for pointer, why := range e.Undecoded() {
				require.Contains(t, pointer, "/"+strings.Split(f.path, ".")[0])
				require.NotEmpty(t, why.Error())
			}
			requireUndecodable(t, v, &webhook.Options{StrictFields: true}, body, s.Type, name)
		}
	})
}

// otherNotations returns values that fit a field, in notations that encoding/json does not accept.
func otherNotations(goType reflect.Type) []any {
	switch {
	case goType == reflect.TypeFor[time.Time]():
		return []any{"2026-11-26t07:03:42z", "2026-11-26T07:03Z", "2026-11-26 07:03:42+0000", 1795676622, "1795676622000", 1795676622.5}
	case goType.Kind() == reflect.Int64:
		return []any{json.RawMessage("8.0"), json.RawMessage("8e0"), json.RawMessage("80e-1"), json.RawMessage("0.0")}
	default:
		return nil
	}
}

func TestDecode_TakesEveryNotation(t *testing.T) {
	found := 0
	forEachField(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample, f field) {
		for _, value := range otherNotations(f.goType) {
			found++
			e := v.Receive(t, v.Change(t, s.Body, func(_, data map[string]any) { f.put(data, value) }))
			require.Empty(t, e.Undecoded())
			require.Empty(t, e.Unknown())
		}
	})
	require.Greater(t, found, 20)
}

func TestDecode_RefusesNonObjectData(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		for _, member := range v.Profile.Envelope.Data {
			for name, data := range map[string]any{"string": "text", "number": 1, "bool": true, "array": []any{}} {
				body := v.Change(t, s.Body, func(body, _ map[string]any) { body[member] = data })
				requireUndecodable(t, v, &webhook.Options{}, body, s.Type, name)
			}
		}
	})
}

// requireUndecodable delivers body three times. It requires an error with those texts, and a response without them.
func requireUndecodable(t *testing.T, v *vendortest.Kit, o *webhook.Options, body []byte, says ...string) {
	t.Helper()
	var r vendortest.Recorder
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := v.New(o)
	require.NoError(t, err)
	h.OnEvent(r.Callback)
	h.OnUnhandled(func(context.Context, *webhook.Delivery) error {
		t.Error("OnUnhandled must not be called")
		return nil
	})
	sender := v.Sender(t, h)
	d := sender.Raw(v.Dated(body, time.Now()))
	for range 2 {
		result := sender.Process(d)
		require.Equal(t, webhook.ReasonUndecodable, result.Reason, "%s", body)
		require.Equal(t, http.StatusInternalServerError, result.Status)
		require.JSONEq(t, `{"received":false}`, string(result.Body))
		for _, text := range says {
			require.ErrorContains(t, result.Err, text, "%s", body)
		}
	}
	response := sender.Send(d)
	response.Want(http.StatusInternalServerError)
	require.JSONEq(t, `{"received":false}`, string(response.Body))
	require.Empty(t, r.Events())
}

// dataMember returns the name of the member with the event's fields. It returns "" if they are at the top of the body.
func dataMember(v *vendortest.Kit, body []byte) string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members)
	for _, name := range v.Profile.Envelope.Data {
		if members[name] != nil {
			return name
		}
	}
	return ""
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
