package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Wide has a field of each kind.
type Wide struct {
	webhook.Event `json:"@event"`
	Promoted

	Count    int             `json:"count"`
	Small    int8            `json:"small"`
	Size     *uint32         `json:"size"`
	Rate     float64         `json:"rate"`
	Narrow   float32         `json:"narrow"`
	Text     string          `json:"text"`
	Note     *string         `json:"note"`
	Flag     bool            `json:"flag"`
	When     time.Time       `json:"when"`
	Then     *time.Time      `json:"then"`
	Own      hexNumber       `json:"own"`
	Inner    *WideInner      `json:"inner"`
	Words    []string        `json:"words"`
	Counts   []int64         `json:"counts"`
	Times    []time.Time     `json:"times"`
	Inners   []WideInner     `json:"inners"`
	Pair     [2]int          `json:"pair"`
	ByName   map[string]int  `json:"by_name"`
	Parts    map[string]Part `json:"parts"`
	Quoted   int             `json:"quoted,string"`
	Bytes    []byte          `json:"bytes"`
	Anything any             `json:"anything"`
	Self     *Wide           `json:"self"`
}

type Promoted struct {
	Outer int `json:"outer"`
}

type WideInner struct {
	A int       `json:"a"`
	B string    `json:"b"`
	T time.Time `json:"t"`
}

type Part struct{ Value *string }

// hexNumber has an UnmarshalJSON whose error quotes the value.
type hexNumber int

func (n *hexNumber) UnmarshalJSON(raw []byte) error {
	_, err := fmt.Sscanf(string(raw), `"0x%x"`, (*int)(n))
	if err != nil {
		return fmt.Errorf("%s is no hex number", raw)
	}
	return nil
}

var wide = webhook.NewEventType[Wide]("wide")

// receiveWide sends data to a callback for Wide events.
func receiveWide(t *testing.T, o webhook.Options, data string) (*Wide, *receiver) {
	t.Helper()
	r := newReceiver(t, o, loose(acme().Envelope))
	var got *Wide
	wide.On(r.Handler, func(_ context.Context, e *Wide) error { got = e; return nil })
	r.deliver([]byte(`{"type":"wide","id":"a","data":` + data + `}`))
	require.NoError(t, r.Shutdown(t.Context())) // on a busy machine a large body is decoded after the response
	return got, r
}

// values returns the fields of an event as JSON.
func values(t *testing.T, e *Wide) string {
	t.Helper()
	c := *e
	c.Event = webhook.Event{}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	return string(b)
}

// setFields returns the JSON that a plain decoder makes of data.
func plainly(t *testing.T, data string) string {
	t.Helper()
	var e Wide
	require.NoError(t, json.Unmarshal([]byte(data), &e))
	return values(t, &e)
}

func TestUndecoded_FieldCostsItselfAlone(t *testing.T) {
	const rest = `"text":"kept","flag":true,"inner":{"a":1,"b":"kept"}`
	for data, undecoded := range map[string][]string{
		`"count":"8"`:                  {"/data/count"}, // a quoted number is another type
		`"count":8.5`:                  {"/data/count"},
		`"count":85e-1`:                {"/data/count"},
		`"count":1e999999999`:          {"/data/count"},
		`"count":true`:                 {"/data/count"},
		`"count":[8]`:                  {"/data/count"},
		`"count":{}`:                   {"/data/count"},
		`"COUNT":"8"`:                  {"/data/COUNT"}, // as encoding/json matches names
		`"small":300`:                  {"/data/small"},
		`"small":3e2`:                  {"/data/small"},
		`"size":-1`:                    {"/data/size"},
		`"size":-1.0`:                  {"/data/size"},
		`"rate":"0.5"`:                 {"/data/rate"},
		`"rate":1e400`:                 {"/data/rate"},
		`"narrow":1e300`:               {"/data/narrow"},
		`"note":7`:                     {"/data/note"},
		`"when":""`:                    {"/data/when"},
		`"when":"2026-11-26T07:03:42"`: {"/data/when"},
		`"when":"26/11/2026"`:          {"/data/when"},
		`"when":17`:                    {"/data/when"},
		`"then":false`:                 {"/data/then"},
		`"own":12`:                     {"/data/own"},
		`"quoted":8`:                   {"/data/quoted"},
		`"quoted":"eight"`:             {"/data/quoted"},
		`"bytes":"no base64!"`:         {"/data/bytes"},
		`"outer":"x"`:                  {"/data/outer"},
		`"words":"x"`:                  {"/data/words"},
		`"words":["a",7]`:              {"/data/words"}, // a list with a gap would look complete
		`"counts":[1,2.5]`:             {"/data/counts"},
		`"counts":[1,"2"]`:             {"/data/counts"},
		`"times":["2026-11-26"]`:       {"/data/times"},
		`"inners":[{"a":1},"x"]`:       {"/data/inners"},
		`"inners":[{"a":"x"},"x"]`:     {"/data/inners"},
		`"pair":[1,"x"]`:               {"/data/pair"},
		`"by_name":[]`:                 {"/data/by_name"}, // PHP's empty object
		`"parts":"x"`:                  {"/data/parts"},
		`"self":{"self":3}`:            {"/data/self/self"},
		`"self":{"count":"x"}`:         {"/data/self/count"},
		`"count":"x","count":"y"`:      {"/data/count"},
		`"count":1,"count":"y"`:        {"/data/count"}, // not the 1, which the second member replaces
		`"count":"y","Count":1`:        {"/data/count"},
		`"count":"x","small":"y","when":"z","inners":[7]`: {"/data/count", "/data/inners", "/data/small", "/data/when"},
	} {
		e, r := receiveWide(t, webhook.Options{}, "{"+data+","+rest+"}")
		require.NotNil(t, e, "%s: %v", data, r.observations()[0].Err)
		require.Equal(t, undecoded, slices.Sorted(maps.Keys(e.Undecoded())), data)
		if len(undecoded) == 1 && !strings.Contains(data, "self") {
			require.Equal(t, plainly(t, "{"+rest+"}"), values(t, e), "%s: the field is unset, the others are not", data)
		}
		require.Equal(t, e.Undecoded(), r.observations()[0].Undecoded)
	}
}

func TestUndecoded_FindsTheInnermostField(t *testing.T) {
	for data, want := range map[string]struct{ kept, undecoded string }{
		`{"inner":{"a":"x","b":"y"}}`:                       {`{"inner":{"b":"y"}}`, "/data/inner/a"},
		`{"inners":[{"a":1},{"a":"x","b":"y"}]}`:            {`{"inners":[{"a":1},{"b":"y"}]}`, "/data/inners/1/a"},
		`{"by_name":{"x":1,"y":"2","z/~":3}}`:               {`{"by_name":{"x":1,"z/~":3}}`, "/data/by_name/y"},
		`{"by_name":{"z/~":{}}}`:                            {`{"by_name":{}}`, "/data/by_name/z~1~0"},
		`{"parts":{"x":{"Value":"v"},"y":{"Value":7}}}`:     {`{"parts":{"x":{"Value":"v"},"y":{}}}`, "/data/parts/y/Value"},
		`{"parts":{"X":{"Value":"v"},"x":7}}`:               {`{"parts":{"X":{"Value":"v"}}}`, "/data/parts/x"},
		`{"inner":{"t":"soon","a":1}}`:                      {`{"inner":{"a":1}}`, "/data/inner/t"},
		`{"self":{"self":{"inners":[{"b":7}],"count":3}}}`:  {`{"self":{"self":{"inners":[{}],"count":3}}}`, "/data/self/self/inners/0/b"},
		`{"self":{"inners":[{"b":7},{"b":7}],"count":3.0}}`: {`{"self":{"inners":[{},{}],"count":3}}`, "/data/self/inners/0/b /data/self/inners/1/b"},
	} {
		e, r := receiveWide(t, webhook.Options{}, data)
		require.NotNil(t, e, "%s: %v", data, r.observations()[0].Err)
		require.Equal(t, want.undecoded, strings.Join(slices.Sorted(maps.Keys(e.Undecoded())), " "), data)
		require.Equal(t, plainly(t, want.kept), values(t, e), data)
	}
}

func TestDecode_ReadsEveryNumberAndTimeNotation(t *testing.T) {
	for data, want := range map[string]string{
		`{"count":8.0}`:                                 `{"count":8}`,
		`{"count":8e0,"size":80e-1}`:                    `{"count":8,"size":8}`,
		`{"count":-0.0,"small":1.27e2}`:                 `{"count":0,"small":127}`,
		`{"count":9007199254740993.0}`:                  `{"count":9007199254740993}`,
		`{"counts":[1.0,20e-1,3]}`:                      `{"counts":[1,2,3]}`,
		`{"pair":[1.0,2]}`:                              `{"pair":[1,2]}`,
		`{"by_name":{"a":1.0}}`:                         `{"by_name":{"a":1}}`,
		`{"inners":[{"a":1.0}]}`:                        `{"inners":[{"a":1}]}`,
		`{"outer":8.00}`:                                `{"outer":8}`,
		`{"when":"2026-11-26t07:03:42z"}`:               `{"when":"2026-11-26T07:03:42Z"}`,
		`{"when":"2026-11-26 08:03:42.5+0100"}`:         `{"when":"2026-11-26T07:03:42.5Z"}`,
		`{"when":1795676622,"then":"1795676622000"}`:    `{"when":"2026-11-26T07:03:42Z","then":"2026-11-26T07:03:42Z"}`,
		`{"times":["20261126T070342Z"]}`:                `{"times":["2026-11-26T07:03:42Z"]}`,
		`{"inner":{"t":"2026-11-26T07:03Z"},"count":8}`: `{"inner":{"t":"2026-11-26T07:03:00Z"},"count":8}`,
	} {
		for _, o := range []webhook.Options{{}, {StrictFields: true}, {Unmarshal: useNumbers}} {
			e, r := receiveWide(t, o, data)
			require.NotNil(t, e, "%s: %v", data, r.observations()[0].Err)
			require.Equal(t, plainly(t, want), values(t, e), data)
			require.Empty(t, e.Undecoded(), data)
			require.Empty(t, r.observations()[0].Undecoded)
		}
	}
}

// useNumbers is a user's decoder that returns an error for unknown members.
func useNumbers(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func TestUndecoded_WorksWithAnyDecoder(t *testing.T) {
	for name, unmarshal := range map[string]func([]byte, any) error{"firstWins": firstWins, "useNumbers": useNumbers} {
		e, r := receiveWide(t, webhook.Options{Unmarshal: unmarshal}, `{"count":"x","text":"kept","inners":[{"a":"x","b":"kept"}],"anything":1}`)
		require.NotNil(t, e, "%s: %v", name, r.observations()[0].Err)
		require.Equal(t, []string{"/data/count", "/data/inners/0/a"}, slices.Sorted(maps.Keys(e.Undecoded())), name)
		require.Equal(t, "kept", e.Text)
		require.Equal(t, "kept", e.Inners[0].B)
		if name == "useNumbers" {
			require.Equal(t, json.Number("1"), e.Anything, "the decoder's rules must apply")
			e, r := receiveWide(t, webhook.Options{Unmarshal: unmarshal}, `{"count":"x","strange":1}`)
			require.Nil(t, e, "an error that no known field causes must make the delivery undecodable")
			require.Equal(t, webhook.ReasonUndecodable, r.observations()[0].Reason)
		}
	}
}

func TestUndecoded_WithoutAnObjectNothingIsDecoded(t *testing.T) {
	for _, data := range []string{`"x"`, `7`, `[]`, `[{"count":8}]`, `true`} {
		e, r := receiveWide(t, webhook.Options{}, data)
		require.Nil(t, e)
		require.Equal(t, webhook.ReasonUndecodable, r.observations()[0].Reason, data)
	}
}

func TestUndecoded_StrictFieldsRestoresTheError(t *testing.T) {
	for data, says := range map[string]string{
		`{"count":"x"}`:               "Wide.count of type int",
		`{"small":8.0,"count":"x"}`:   "Wide.count of type int", // not about the 8.0, which fits
		`{"small":8.0,"count":8.5}`:   "Wide.count of type int",
		`{"inners":[{"b":7}]}`:        "inners.b of type string",
		`{"when":"26/11/2026"}`:       `the field "when"`,
		`{"count":8,"words":["a",7]}`: "Wide.words of type string",
	} {
		e, r := receiveWide(t, webhook.Options{StrictFields: true}, data)
		require.Nil(t, e, data)
		o := r.observations()[0]
		require.Equal(t, webhook.ReasonUndecodable, o.Reason)
		require.Equal(t, http.StatusInternalServerError, o.Status)
		require.ErrorContains(t, o.Err, says, data)
		require.Empty(t, o.Undecoded)
	}
}

func TestUndecoded_KeyNeedsEveryField(t *testing.T) {
	asked := 0
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope), func(_ *vendors.Profile, e *vendors.HandlerConfig) {
		e.DedupKey = func(event any) string { asked++; return fmt.Sprint("n ", event.(*Ping).N) }
	})
	ping.On(r.Handler, returns(nil))
	for _, id := range []string{"a", "b"} { // if the field were unset, both would have one key
		result := r.process([]byte(`{"type":"ping","id":"` + id + `","data":{"n":"x"}}`))
		require.Equal(t, webhook.ReasonUndecodable, result.Reason)
		require.Equal(t, []string{keyOf(id)}, result.Delivery.Keys)
	}
	require.Zero(t, asked)
	require.Equal(t, webhook.Handled, r.process([]byte(`{"type":"ping","id":"c","data":{"n":8.0}}`)).Outcome)
	require.Equal(t, webhook.Duplicate, r.process([]byte(`{"type":"ping","id":"d","data":{"n":8}}`)).Outcome, "two spellings of a number must have one key")
}

func TestUndecoded_IsLoggedOnceAndWithoutValues(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	wide.On(r.Handler, func(context.Context, *Wide) error { return nil })
	send := func(id, data string) {
		require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"wide","id":"`+id+`","data":`+data+`}`)).status)
	}
	send("a", `{"count":"p4yl0ad","own":"p4yl0ad","rate":"p4yl0ad","when":"p4yl0ad"}`)
	require.Equal(t, 1, r.log.Count(`"level":"WARN"`))
	var line struct {
		Msg       string
		Undecoded []string
	}
	require.NoError(t, json.Unmarshal([]byte(r.log.Lines()[0]), &line))
	require.Equal(t, "webhook delivery handled", line.Msg)
	require.Equal(t, []string{
		"/data/count: it is of the kind string, which does not fit int",
		"/data/own: it is of the kind string, which does not fit webhook_test.hexNumber",
		"/data/rate: it is of the kind string, which does not fit float64",
		"/data/when: it is not a date of the form 2006-01-02T15:04:05Z",
	}, line.Undecoded)
	send("b", `{"count":"p4yl0ad"}`)
	send("c", `{"count":8.25,"when":""}`)
	require.Equal(t, 1, r.log.Count(`"level":"WARN"`), "the same fields must not be logged again")
	send("d", `{"small":"p4yl0ad"}`)
	require.Equal(t, 2, r.log.Count(`"level":"WARN"`))
	send("e", `{"inners":[`+strings.Repeat(`{"a":"p4yl0ad"},`, 1000)+`{}]}`)
	require.Equal(t, 3, r.log.Count(`"level":"WARN"`))
	send("f", `{"inners":[{},{"a":"p4yl0ad"}]}`)
	require.Equal(t, 3, r.log.Count(`"level":"WARN"`), "another element of a list must not count as another field")
	require.Len(t, r.observations()[4].Undecoded, 1000)
	require.Contains(t, r.log.String(), "and 995 more")
	require.NotContains(t, r.log.String(), "p4yl0ad")
	require.NotContains(t, r.log.String(), "8.25")
	for i := range 1000 {
		send(fmt.Sprint("g", i), fmt.Sprintf(`{"by_name":{"key %d":"p4yl0ad"}}`, i))
	}
	require.LessOrEqual(t, r.log.Count(`"level":"WARN"`), 256, "the number of remembered fields must be bounded")
	require.NotContains(t, fmt.Sprintf("%v %+v", r.observations()[0], r.observations()[0]), "p4yl0ad")
}

// A line that is left out does not count as the first Warning about a field.
func TestUndecoded_IsLoggedAfterSampledLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			if e.ID == "last" {
				return nil
			}
			return webhook.RetryAfter(time.Minute, errCallback)
		})
		misfit := func(id string) []byte { return bytes.Replace(body(id), []byte(`"n":7`), []byte(`"n":"x"`), 1) }
		for i := range 1024 + 5 { // from here on the lines are sampled
			r.process(body(fmt.Sprint(i)))
		}
		require.Equal(t, webhook.ReasonRetryAfter, r.process(misfit("sampled")).Reason)
		require.Zero(t, r.log.Count("undecoded"))
		require.Equal(t, webhook.Handled, r.process(misfit("last")).Outcome)
		require.Equal(t, 1, r.log.Count("undecoded", `"level":"WARN"`))
	})
}

func TestUndecoded_NamesRangeOfNumber(t *testing.T) {
	for data, want := range map[string]string{
		`"rate":1e400`:   "the number is out of range for float64",
		`"narrow":1e300`: "the number is out of range for float32",
		`"small":300`:    "the number is out of range for int8",
		`"size":-1`:      "the number is out of range for uint32",
		`"text":7`:       "it is of the kind number, which does not fit string",
		`"flag":1`:       "it is of the kind number, which does not fit bool",
		`"rate":"0.5"`:   "it is of the kind string, which does not fit float64",
	} {
		e, _ := receiveWide(t, webhook.Options{}, "{"+data+"}")
		require.Len(t, e.Undecoded(), 1, data)
		for _, err := range e.Undecoded() {
			require.EqualError(t, err, want, data)
		}
	}
}

func TestUndecoded_CallbackCanAskWhy(t *testing.T) {
	e, _ := receiveWide(t, webhook.Options{}, `{"count":8.5,"own":7}`)
	require.EqualError(t, e.Undecoded()["/data/count"], "it is not a whole number")
	var decoder *json.UnmarshalTypeError
	require.ErrorAs(t, e.Undecoded()["/data/count"], &decoder, "the error must wrap the decoder's error")
	require.ErrorContains(t, errors.Unwrap(e.Undecoded()["/data/own"]), "7 is no hex number")
	delete(e.Undecoded(), "/data/count")
	require.Len(t, e.Undecoded(), 2, "it is a copy")
	require.Empty(t, e.Unknown())
	require.Nil(t, new(Wide).Undecoded())
}

func TestUndecoded_ReportsUnreadableTime(t *testing.T) {
	for raw, want := range map[string]string{
		`"2026-11-26T07:03:42"`: "it is a date without a zone", `{}`: "it is neither a string nor a number", `""`: "", `null`: "",
		`"2026-11-26t07:03:42z"`: "",
	} {
		r := newReceiver(t, webhook.Options{StrictFields: true}, loose(acme().Envelope))
		var got map[string]error
		ping.On(r.Handler, func(_ context.Context, e *Ping) error { got = e.Undecoded(); return nil })
		require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"ping","id":"a","time":`+raw+`}`)).status)
		if want == "" {
			require.Empty(t, got, raw)
		} else {
			require.EqualError(t, got["/time"], want)
		}
	}
}

func TestUndecoded_DeepAndLargeBodiesAreBounded(t *testing.T) {
	for _, data := range []string{
		nested(4000, `{"self":`, `{"count":"x"}`, "}"),
		`{"count":"x","inners":[` + strings.Repeat(`{"a":"x"},`, 50_000) + `{}]}`,
		`{"count":"x"` + strings.Repeat(`,"count":"x"`, 20_000) + `}`,
		`{"inners":[{"a":"x"},` + strings.Repeat(`{"inners":[{"a":"x"}],"a":"x"},`, 10_000) + `7]}`,
		`{"by_name":{"a":"x"` + strings.Repeat(`,"a":"x"`, 20_000) + `}}`,
	} {
		require.Less(t, len(data), webhook.DefaultMaxBody)
		decoded := 0
		o := webhook.Options{Unmarshal: func(data []byte, v any) error { decoded += len(data); return json.Unmarshal(data, v) }}
		e, _ := receiveWide(t, o, data)
		require.NotNil(t, e)
		require.NotEmpty(t, e.Undecoded())
		require.Less(t, decoded, 20*len(data), "the repeated decoding must be bounded")
	}
}

// A field that does not fit costs itself alone down to a depth of nine, and below that what holds it there.
func TestUndecoded_LooksDownToABound(t *testing.T) {
	for depth, want := range map[int]string{
		0: "/data/count", 8: "/data" + strings.Repeat("/self", 8) + "/count", 9: "/data" + strings.Repeat("/self", 9), 10: "/data" + strings.Repeat("/self", 9),
	} {
		e, _ := receiveWide(t, webhook.Options{}, nested(depth, `{"self":`, `{"count":"x"}`, "}"))
		require.Len(t, e.Undecoded(), 1)
		require.Contains(t, e.Undecoded(), want)
	}
	for depth, want := range map[int]string{6: "/inners/0/a", 7: "/inners"} { // a list counts as one level
		e, _ := receiveWide(t, webhook.Options{}, nested(depth, `{"self":`, `{"inners":[{"a":"x"}]}`, "}"))
		require.Len(t, e.Undecoded(), 1)
		require.Contains(t, e.Undecoded(), "/data"+strings.Repeat("/self", depth)+want)
	}
}

func TestUndecoded_SurvivesRedelivery(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	var got map[string]error
	wide.On(r.Handler, func(_ context.Context, e *Wide) error { got = e.Undecoded(); return nil })
	d := stored(t, "a")
	d.Type, d.Body = "wide", []byte(`{"type":"wide","id":"a","data":{"count":"x"}}`)
	require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), d).Outcome)
	require.Contains(t, got, "/data/count")
}
