package webhook_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Rich is an event with every kind of Go field.
type Rich struct {
	webhook.Event `json:"@event"`
	base
	*Pointed
	Word  // not a struct, so it is a field of that name
	Named `json:"named"`

	Plain    string
	Renamed  string           `json:"re~na/med,omitempty"`
	Skipped  string           `json:"-"`
	Dash     string           `json:"-,"`
	hidden   string           //nolint:unused // to be ignored
	Inner    *Inner           `json:"inner"`
	List     []Inner          `json:"list"`
	Pair     [2]Inner         `json:"pair"`
	ByName   map[string]Inner `json:"by_name"`
	Lists    map[string][]*Inner
	When     time.Time       `json:"when"`
	Raw      json.RawMessage `json:"raw"`
	Any      any             `json:"any"`
	Bytes    []byte          `json:"bytes"`
	Shadowed Inner           `json:"shadowed"`
	Self     *Rich           `json:"self"`
	Own      ownReader       `json:"own"`
}

type base struct {
	FromBase string
	Shadowed string `json:"shadowed"`
	Deep
}

type Deep struct{ FromDeep Inner }

type Pointed struct {
	FromPointed string
}

type Word string

type Named struct{ A int }

type Inner struct {
	A int `json:"a"`
}

// An ownReader decides itself which members it knows.
type ownReader struct{}

func (*ownReader) UnmarshalJSON([]byte) error { return nil }

var rich = webhook.NewEventType[Rich]("rich")

// unknownOf sends a body and returns the unknown values of the event.
func unknownOf(t *testing.T, body string, names vendors.EnvelopeNames) map[string]string {
	t.Helper()
	r := newReceiver(t, webhook.Options{}, loose(names))
	found := make(map[string]string)
	rich.On(r.Handler, func(_ context.Context, e *Rich) error {
		for pointer, raw := range e.Unknown() {
			found[pointer] = string(raw)
		}
		return nil
	})
	result := r.process([]byte(body))
	require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)
	return found
}

func TestUnknown_NamesMembersWithoutField(t *testing.T) {
	for data, want := range map[string]map[string]string{
		`{}`: {},
		`{"Plain":"","re~na/med":"","-":"","inner":{"a":1},"list":[{"a":1}],"when":"2026-01-02T03:04:05Z","raw":{"x":1},"any":{"x":1},"bytes":"AA=="}`: {},
		`{"FromBase":"","FromDeep":{"a":1},"FromPointed":"","Word":"","named":{"A":1},"shadowed":{"a":1}}`:                                             {},
		`{"PLAIN":"","INNER":{"A":1}}`:            {}, // as encoding/json matches names
		`{"new":1}`:                               {"/new": "1"},
		`{"new":{"a":[1, 2]}}`:                    {"/new": `{"a":[1, 2]}`},
		`{"a/b":1,"c~d":2,"~1":3,"":4,"e f":5}`:   {"/a~1b": "1", "/c~0d": "2", "/~01": "3", "/": "4", "/e f": "5"},
		`{"re~na/med":"","inner":{"x/y":null}}`:   {"/inner/x~1y": "null"},
		`{"inner":{"b":2}}`:                       {"/inner/b": "2"},
		`{"inner":null}`:                          {},
		`{"list":[{"a":1},{"b":2},{"c":{}}]}`:     {"/list/1/b": "2", "/list/2/c": "{}"},
		`{"pair":[{"x":1},{"x":2}]}`:              {"/pair/0/x": "1", "/pair/1/x": "2"},
		`{"by_name":{"k/1":{"x":1},"l":{"a":1}}}`: {"/by_name/k~11/x": "1"},
		`{"Lists":{"k":[{"a":1},{"x":1}]}}`:       {"/Lists/k/1/x": "1"},
		`{"named":{"B":2}}`:                       {"/named/B": "2"},
		`{"FromDeep":{"b":2}}`:                    {"/FromDeep/b": "2"},
		`{"shadowed":{"b":2}}`:                    {"/shadowed/b": "2"}, // the outer field's type
		`{"Skipped":1,"hidden":2,"base":3,"Deep":4,"Pointed":5,"@event":null}`: {
			"/Skipped": "1", "/hidden": "2", "/base": "3", "/Deep": "4", "/Pointed": "5", "/@event": "null",
		},
		`{"own":{"x":1}}`:                      {},
		`{"self":{"self":{"x":1,"Plain":""}}}`: {"/self/self/x": "1"},
		`{"type":"t","id":"i","time":1}`:       {"/type": `"t"`, "/id": `"i"`, "/time": "1"}, // inside the data they are not the envelope
	} {
		inside := make(map[string]string, len(want))
		for pointer, raw := range want {
			inside["/data"+pointer] = raw
		}
		require.Equal(t, inside, unknownOf(t, `{"type":"rich","id":"a","data":`+data+`}`, acme().Envelope), data)
		inside["/other"] = `"x"`
		require.Equal(t, inside, unknownOf(t, `{"other":"x","data":`+data+`,"type":"rich"}`, acme().Envelope), data)
	}
}

func TestUnknown_SkipsTopLevelEnvelope(t *testing.T) {
	flat := vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"id"}, Time: []string{"time"}}
	require.Equal(t, map[string]string{"/data": "{}", "/x~1y": "1", "/inner/type": `"t"`},
		unknownOf(t, `{"type":"rich","ID":"a","time":1767323045,"data":{},"x/y":1,"inner":{"type":"t"}}`, flat))
	slashed := vendors.EnvelopeNames{Type: []string{"type"}, Data: []string{"da/ta"}}
	require.Equal(t, map[string]string{"/da~1ta/x": "1"}, unknownOf(t, `{"type":"rich","da/ta":{"x":1}}`, slashed))
}

// A further name of the envelope is known if its value is empty, or is the value that was used.
func TestUnknown_ReportsOtherValuesOfEnvelope(t *testing.T) {
	names := vendors.EnvelopeNames{
		Type: []string{"type", "kind"}, ID: []string{"id", "uid"}, Time: []string{"at", "time"}, Data: []string{"data", "payload"},
	}
	const used = `"type":"rich","id":"a","at":1767323045,"data":{"new":1}`
	for member, reported := range map[string]bool{
		`"kind":null`: false, `"kind":""`: false, `"kind":"rich"`: false, `"kind":"poor"`: true, `"kind":[]`: true,
		`"uid":null`: false, `"uid":""`: false, `"uid":"a"`: false, `"uid":"b"`: true, `"uid":[]`: true,
		`"time":null`: false, `"time":""`: false, `"time":"2026-01-02T03:04:05Z"`: false, `"time":1767323046`: true, `"time":"soon"`: true,
		`"payload":null`: false, `"payload":""`: false, `"payload":{"x":1}`: true, `"payload":7`: true,
		`"other":null`: true, `"other":""`: true, `"other":7`: true,
	} {
		want := map[string]string{"/data/new": "1"}
		if name, raw, _ := strings.Cut(strings.ReplaceAll(member, `":`, `"|`), "|"); reported {
			want["/"+strings.Trim(name, `"`)] = strings.ReplaceAll(raw, `"|`, `":`)
		}
		require.Equal(t, want, unknownOf(t, "{"+used+","+member+"}", names), member)
		require.Equal(t, want, unknownOf(t, "{"+member+","+used+"}", names), member)
	}
	// Without a usable id or time, none was used.
	require.Equal(t, map[string]string{"/uid": "[]", "/time": "[]"},
		unknownOf(t, `{"type":"rich","uid":[],"time":[],"data":{}}`, names))
}

func TestUnknown_IsEmptyWithoutHandler(t *testing.T) {
	require.Empty(t, new(Rich).Unknown())
	require.Nil(t, new(Rich).Delivery())
}
