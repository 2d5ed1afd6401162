package lossless_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/lossless"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

var names = vendors.EnvelopeNames{
	Type: []string{"type", "event"},
	ID:   []string{"id"},
	Time: []string{"timestamp"},
	Data: []string{"data"},
}

type event struct {
	webhook.Event `json:"@event"`

	Name   string            `json:"name"`
	Count  float64           `json:"count"`
	At     *time.Time        `json:"at,omitempty"`
	Tags   []string          `json:"tags,omitempty"`
	Scores map[string]int    `json:"scores,omitempty"`
	Inner  *struct{ A int }  `json:"inner,omitempty"`
	Extra  map[string]string `json:"extra,omitempty"`
}

// made returns the event that a handler decodes from body.
func made(t *testing.T, data string) *event {
	t.Helper()
	e := new(event)
	require.NoError(t, json.Unmarshal([]byte(data), e))
	e.Event = webhook.Event{ID: "e1", Type: "t", Time: time.Unix(1734567890, 0).UTC()}
	return e
}

// A recorder records the failures that Check reports.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func check(names vendors.EnvelopeNames, body string, e any, unknown map[string]json.RawMessage) []string {
	var r recorder
	lossless.Check(&r, names, []byte(body), e, unknown)
	return r.failures
}

func TestCheck_AcceptsTypedFields(t *testing.T) {
	data := `{"name":"a \u003c b","count":1.0,"at":"2024-01-01T13:00:00+01:00","tags":["x"],"scores":{"s":1},"inner":{"a":3}}`
	for form, body := range map[string]string{
		"data in a member":      `{"type":"t","id":"e1","timestamp":1734567890,"data":` + data + `}`,
		"time as text":          `{"type":"t","id":"e1","timestamp":"2024-12-19T00:24:50Z","data":` + data + `}`,
		"names in another case": `{"Type":"t","ID":"e1","DATA":` + data + `}`,
		"data at the top":       `{"type":"t","id":"e1",` + data[1:],
		"nothing in data":       `{"type":"t","id":"e1","data":{}}`,
		"null for anything":     `{"type":"t","id":null,"timestamp":null,"data":{"name":null,"inner":null,"other":null}}`,
	} {
		t.Run(form, func(t *testing.T) {
			require.Empty(t, check(names, body, made(t, data), nil))
		})
	}
}

func TestCheck_AcceptsUnknownFields(t *testing.T) {
	body := `{"type":"t","trace":{"a":1},"data":{"name":"a","new":[{"b/c":2}],"inner":{"b":{}}}}`
	require.Empty(t, check(names, body, made(t, `{"name":"a","inner":{}}`), map[string]json.RawMessage{
		"/trace":           json.RawMessage(`{"a":1}`),
		"/data/new/0/b~1c": json.RawMessage(`2`),
		"/data/inner/b":    json.RawMessage(`{}`),
	}))
}

func TestCheck_AcceptsValueKeptAsText(t *testing.T) {
	body := `{"type":"t","data":{"extra":{"code":500,"flag":true,"object":{"a": 1}}}}`
	e := made(t, `{"extra":{"code":"500","flag":"true","object":"{\"a\": 1}"}}`)
	require.Empty(t, check(names, body, e, nil))
}

func TestCheck_ReportsPathOfEachLoss(t *testing.T) {
	for _, test := range []struct{ name, body, data, place string }{
		{"a field", `{"data":{"gone":1}}`, `{}`, "/data/gone is lost"},
		{"a field next to data", `{"name":"a","data":{"count":1}}`, `{"name":"a","count":1}`, "/name is lost"},
		{"a field at the top", `{"gone":{"deep":[true]}}`, `{}`, "/gone/deep/0 is lost"},
		{"an empty object", `{"data":{"gone":{}}}`, `{}`, "/data/gone is lost"},
		{"the end of a list", `{"data":{"tags":["a","b"]}}`, `{"tags":["a"]}`, "/data/tags/1 is lost"},
		{"another value", `{"data":{"name":"a"}}`, `{"name":"b"}`, "/data/name has changed"},
		{"a number's last digits", `{"data":{"count":9007199254740993}}`, `{"count":9007199254740993}`, "/data/count has changed"},
		{"another instant", `{"data":{"at":"2024-01-01T12:00:00Z"}}`, `{"at":"2024-01-01T12:00:01Z"}`, "/data/at has changed"},
		{"the id", `{"id":"other"}`, `{}`, "/id is lost"},
		{"the type", `{"type":"other"}`, `{}`, "/type is lost"},
		{"a second name for the type", `{"type":"t","event":"other"}`, `{}`, "/event is lost"},
		{"the time", `{"timestamp":1734567891}`, `{}`, "/timestamp is lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			failures := check(names, test.body, made(t, test.data), nil)
			require.Len(t, failures, 1)
			require.Contains(t, failures[0], test.place)
		})
	}
}

func TestCheck_RefusesUnknownNotInBody(t *testing.T) {
	failures := check(names, `{"data":{"name":"a"}}`, made(t, `{"name":"a"}`), map[string]json.RawMessage{"/data/x": json.RawMessage(`1`)})
	require.Len(t, failures, 1)
	require.Contains(t, failures[0], "/data/x is in Unknown, but not in the body")
}

func TestCheck_TreatsDataAsOrdinaryField(t *testing.T) {
	flat := vendors.EnvelopeNames{Type: []string{"type"}}
	e := &struct {
		webhook.Event `json:"@event"`
		Data          map[string]int `json:"data"`
	}{Event: webhook.Event{Type: "t"}, Data: map[string]int{"a": 1}}
	require.Empty(t, check(flat, `{"type":"t","data":{"a":1}}`, e, nil))
	require.Len(t, check(flat, `{"type":"t","data":{"a":2}}`, e, nil), 1)
}

func TestCheck_FailsOnNonEvents(t *testing.T) {
	require.Len(t, check(names, `[]`, made(t, `{}`), nil), 1)
	require.Len(t, check(names, `{}`, struct{}{}, nil), 1)
	require.Len(t, check(names, `{}`, 1, nil), 1)
	require.Len(t, check(names, `{}`, make(chan int), nil), 1)
}
