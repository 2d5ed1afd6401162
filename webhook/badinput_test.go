package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

var pong = webhook.NewEventType[Ping]("pong")

// at is replaced by the present time in the bodies below.
const at = "@"

// badInput is an authentic body and its outcome, if pings and pongs have a callback.
type badInput struct {
	body    string
	outcome webhook.Outcome
	status  int
	errors  int    // lines of level ERROR
	routed  string // the callback that ran
}

func handled(body, routed string) badInput {
	return badInput{body, webhook.Handled, 200, 0, routed}
}
func undecodable(body string) badInput { return badInput{body, misfits, 500, 1, ""} }
func malformed(body string) badInput   { return badInput{body, webhook.Rejected, 400, 1, ""} }

// unhandled expects a line of level WARN, once for each type.
func unhandled(body string) badInput { return badInput{body, webhook.Unhandled, 200, 0, ""} }

func nested(depth int, open, inner, close string) string {
	return strings.Repeat(open, depth) + inner + strings.Repeat(close, depth)
}

func pingWith(data string) string { return `{"type":"ping","id":"a","time":@,"data":` + data + `}` }
func pingAt(time string) string   { return `{"type":"ping","id":"a","time":` + time + `,"data":{"n":7}}` }
func typed(eventType string) string {
	return `{"type":` + eventType + `,"id":"a","time":@,"data":{"n":7}}`
}

var badInputs = map[string]badInput{
	"good": handled(typed(`"ping"`), "ping"),

	"empty":              malformed(""),
	"white space":        malformed(" \r\n\t"),
	"null":               malformed("null"),
	"array":              malformed(`["ping"]`),
	"string":             malformed(`"ping"`),
	"number":             malformed("7"),
	"true":               malformed("true"),
	"two objects":        malformed(typed(`"ping"`) + typed(`"ping"`)),
	"a rest":             malformed(typed(`"ping"`) + "x"),
	"cut off":            malformed(`{"type":"ping","id":"a","time":@,"data":{"n":7}`),
	"cut off in a name":  malformed(`{"type":"ping","id":"a","ti`),
	"a comma too many":   malformed(`{"type":"ping","id":"a","time":@,}`),
	"byte order mark":    malformed("\xef\xbb\xbf" + typed(`"ping"`)),
	"UTF-16":             malformed("\xff\xfe{\x00}\x00"),
	"control character":  malformed(pingWith("{\"n\":7,\"s\":\"\x01\"}")),
	"NUL at the end":     malformed(typed(`"ping"`) + "\x00"),
	"unescaped new line": malformed(pingWith("{\"s\":\"\n\"}")),
	"single quotes":      malformed(`{'type':'ping'}`),
	"NaN":                malformed(pingWith(`{"n":NaN}`)),
	"leading zero":       malformed(pingWith(`{"n":07}`)),

	"no members":        unhandled(`{}`),
	"no members inside": handled(pingWith(`{}`), "ping"),
	"white space about": handled(" \n"+typed(`"ping"`)+"\r\n", "ping"),

	"invalid UTF-8 in a value":   handled(pingWith("{\"n\":7,\"s\":\"\xff\xfe\"}"), "ping"),
	"invalid UTF-8 in a name":    handled(pingWith("{\"n\":7,\"\xff\":1}"), "ping"),
	"invalid UTF-8 in the type":  unhandled(typed("\"ping\xff\"")),
	"invalid UTF-8 in the id":    handled("{\"type\":\"ping\",\"id\":\"\xff\",\"time\":@,\"data\":{}}", "ping"),
	"half a surrogate":           handled(pingWith(`{"n":7,"s":"\ud800"}`), "ping"),
	"an escaped NUL in the type": unhandled(typed(`"ping\u0000"`)),
	"the type escaped":           handled(typed(`"\u0070ing"`), "ping"),

	"type twice":                  handled(`{"type":"ping","type":"pong","id":"a","time":@,"data":{}}`, "pong"),
	"type twice, then an unknown": unhandled(`{"type":"ping","type":"strange","id":"a","time":@,"data":{}}`),
	"Type after type":             handled(`{"type":"ping","Type":"pong","id":"a","time":@,"data":{}}`, "pong"),
	"type after Type":             handled(`{"Type":"pong","type":"ping","id":"a","time":@,"data":{}}`, "ping"),
	"type, then null":             handled(`{"type":"ping","type":null,"id":"a","time":@,"data":{}}`, "ping"),
	"data twice":                  handled(`{"type":"ping","id":"a","time":@,"data":{"n":"x"},"data":{"n":7}}`, "ping"),
	"data twice, the last bad":    handled(`{"type":"ping","id":"a","time":@,"data":{"n":7},"data":{"n":"x"}}`, "ping"),
	"id twice":                    handled(`{"type":"ping","id":"b","id":"a","time":@,"data":{}}`, "ping"),
	"time twice":                  handled(`{"type":"ping","id":"a","time":1,"time":@,"data":{}}`, "ping"),
	"time twice, the last bad":    malformed(`{"type":"ping","id":"a","time":@,"time":1,"data":{}}`),
	"a type inside the data":      handled(pingWith(`{"n":7,"type":"pong","id":"z"}`), "ping"),

	"type a number": unhandled(typed("7")),
	"type null":     unhandled(typed("null")),
	"type object":   unhandled(typed(`{"ping":"ping"}`)),
	"type array":    unhandled(typed(`["ping"]`)),
	"type true":     unhandled(typed("true")),
	"type empty":    unhandled(typed(`""`)),
	"type in caps":  unhandled(typed(`"PING"`)),

	"data null":             handled(`{"type":"ping","id":"a","time":@,"data":null,"n":"x"}`, "ping"), // then the top is the data
	"data a string":         undecodable(pingWith(`"n"`)),
	"data an array":         undecodable(pingWith(`[{"n":7}]`)),
	"data a number":         undecodable(pingWith("7")),
	"data false":            undecodable(pingWith("false")),
	"no data":               handled(`{"type":"ping","id":"a","time":@,"n":7}`, "ping"),
	"field of another type": handled(pingWith(`{"n":"seven"}`), "ping"), // see TestUndecoded
	"a fraction":            handled(pingWith(`{"n":7.5}`), "ping"),
	"number out of range":   handled(pingWith(`{"n":99999999999999999999}`), "ping"),
	"number past float64":   handled(pingWith(`{"n":1e400}`), "ping"),
	"past it, but unread":   handled(pingWith(`{"n":7,"x":1e400,"y":-1e-999,"z":`+strings.Repeat("9", 5000)+`}`), "ping"),
	"null in a field":       handled(pingWith(`{"n":null}`), "ping"),

	"nested 10,000 deep":               handled(pingWith(`{"n":7,"x":`+nested(9998, "[", "", "]")+`}`), "ping"),
	"nested 10,001 deep":               malformed(pingWith(`{"n":7,"x":` + nested(9999, "[", "", "]") + `}`)),
	"nested 10,001 deep, objects":      malformed(`{"type":"ping","x":` + nested(10_000, `{"x":`, "1", "}") + `}`),
	"nested 1,000,000 deep":            malformed(`{"type":"ping","x":` + nested(1_000_000, "[", "", "]") + `}`),
	"nested 1,000,000 deep, unclosed":  malformed(strings.Repeat("[", 1_000_000)),
	"nested 10,000 deep, no callback":  unhandled(`{"type":"x","x":` + nested(9999, "[", "", "]") + `}`),
	"nested 1,000,000 deep, no object": malformed(nested(1_000_000, "[", "", "]")),

	"no time":                  malformed(`{"type":"ping","id":"a","data":{}}`),
	"no time, no callback":     unhandled(`{"type":"strange","id":"a","data":{}}`),
	"time null":                malformed(pingAt("null")),
	"time an object":           malformed(pingAt("{}")),
	"time true":                malformed(pingAt("true")),
	"time empty":               malformed(pingAt(`""`)),
	"time zero":                malformed(pingAt("0")),
	"time negative":            malformed(pingAt("-@")),
	"time with a sign":         malformed(pingAt("+@")),
	"time with a sign, quoted": malformed(pingAt(`"+@"`)),
	"time with a zero, quoted": handled(pingAt(`"0@"`), "ping"), // harmless, because the body is signed
	"time fractional":          handled(pingAt("@.5"), "ping"),
	"time with an exponent":    handled(pingAt("@e0"), "ping"),
	"time of a huge exponent":  malformed(pingAt("1e999999999")),
	"time in lower case":       handled(pingAt(`"2000-01-01t00:00:00z"`), "ping"),
	"time without a zone":      malformed(pingAt(`"2000-01-01T00:00:00"`)),
	"time huge":                malformed(pingAt("99999999999999")),
	"time past int64":          malformed(pingAt("99999999999999999999999999")),
	"time as a string":         handled(pingAt(`"@"`), "ping"),
	"time as a string, spaces": malformed(pingAt(`" @"`)),
	"time in milliseconds":     handled(pingAt("@000"), "ping"),
	"time in full":             handled(pingAt(`"2000-01-01T00:00:00Z"`), "ping"),
	"time in full, offset":     handled(pingAt(`"2000-01-01T01:00:00.25+01:00"`), "ping"),
	"time in full, no zone":    malformed(pingAt(`"2000-01-01T00:00:00"`)),
	"time a date":              malformed(pingAt(`"2000-01-01"`)),
	"time the least":           malformed(pingAt("-9223372036854775808")),
	"time the last of 10":      {pingAt("9999999999"), inFuture, 503, 1, ""},
	"time the last of 13":      {pingAt("9999999999999"), inFuture, 503, 1, ""},
	"time of the year 9999":    {pingAt(`"9999-12-31T23:59:59Z"`), inFuture, 503, 1, ""},
	"time of the year 0":       {pingAt(`"0000-01-01T00:00:00Z"`), stale, 401, 1, ""},
	"time of the year 1":       malformed(pingAt(`"0001-01-01T00:00:00Z"`)), // is the zero time
	"time the first of 12":     {pingAt("100000000000"), stale, 401, 1, ""},
	"time old, and unknown":    unhandled(`{"type":"strange","time":100000000}`),

	"no id":             handled(`{"type":"ping","time":@,"data":{}}`, "ping"),
	"id empty":          handled(`{"type":"ping","id":"","time":@,"data":{}}`, "ping"),
	"id null":           handled(`{"type":"ping","id":null,"time":@,"data":{}}`, "ping"),
	"id a number":       handled(`{"type":"ping","id":7,"time":@,"data":{}}`, "ping"),
	"id an object":      handled(`{"type":"ping","id":{"a":1},"time":@,"data":{}}`, "ping"),
	"id with NUL":       handled(`{"type":"ping","id":"\u0000","time":@,"data":{}}`, "ping"),
	"id of odd bytes":   handled(`{"type":"ping","id":"\n/../%00'\";--\u202e\ud83d\ude00","time":@,"data":{}}`, "ping"),
	"id of 10,000":      handled(`{"type":"ping","id":"`+strings.Repeat("x", 10_000)+`","time":@,"data":{}}`, "ping"),
	"id of half a pair": handled(`{"type":"ping","id":"\ud800","time":@,"data":{}}`, "ping"),

	"a member a thousand times": handled(`{`+strings.Repeat(`"type":"pong",`, 1000)+`"type":"ping","time":@}`, "ping"),
	"ten thousand members":      handled(pingWith(`{"n":7`+strings.Repeat(`,"x":1`, 10_000)+`}`), "ping"),
}

func TestWhatBecomesOfAuthenticButBadInput(t *testing.T) {
	for name, in := range badInputs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{MaxBody: 4 << 20})
				routed := ""
				see := func(as string) func(context.Context, *Ping) error {
					return func(_ context.Context, e *Ping) error {
						routed = as
						require.Equal(t, as, e.Type, "the event must have the type of its callback")
						require.Equal(t, as, e.Delivery().Type)
						require.Equal(t, e.Delivery().EventID, e.ID)
						if strings.Contains(name, "twice") && strings.Contains(name, "id") {
							require.Equal(t, "a", e.ID)
						}
						return nil
					}
				}
				ping.On(r.Handler, see("ping"))
				pong.On(r.Handler, see("pong"))
				b := []byte(strings.ReplaceAll(in.body, at, fmt.Sprint(time.Now().Unix())))
				got := r.deliver(b)
				require.Len(t, r.observations(), 1)
				o := r.observations()[0]
				require.Equal(t, in.outcome, as(in.outcome, o.Outcome, o.Reason), "%v", o.Err)
				require.Equal(t, in.status, got.status)
				require.Equal(t, in.routed, routed)
				require.Equal(t, in.errors, r.log.Count(`"level":"ERROR"`))
				require.NotEmpty(t, o.ID, "every observation must have an id")
				if in.outcome != webhook.Handled {
					require.NotZero(t, r.log.Count(`"level":"ERROR"`)+r.log.Count(`"level":"WARN"`), "every authentic delivery that is not handled must be logged")
				}
				if in.outcome == misfits {
					require.ErrorContains(t, o.Err, `does not fit the type of "ping"`)
				}
			})
		})
	}
}

func TestTheErrorOfABodyThatDoesNotFitNamesTheField(t *testing.T) {
	r := newReceiver(t, webhook.Options{StrictFields: true})
	ping.On(r.Handler, returns(nil))
	r.deliver(bytes.Replace(body("a"), []byte(`"n":7`), []byte(`"n":"seven"`), 1))
	require.ErrorContains(t, r.observations()[0].Err, "Ping.n of type int")
	require.Contains(t, r.log.String(), "Ping.n of type int")
}

func TestABodyThatDoesNotFitIsNeverCalledUnhandled(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	r.OnUnhandled(func(context.Context, *webhook.Delivery) error { panic("it has a callback") })
	require.Equal(t, 500, r.deliver(misfit()).status)
	require.Equal(t, webhook.ReasonUndecodable, r.observations()[0].Reason)
}

func TestABodyWithoutATypeReachesOnUnhandled(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	var types []string
	r.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error {
		types = append(types, d.Type)
		return nil
	})
	for _, eventType := range []string{"null", "7", `"strange"`} {
		b := strings.ReplaceAll(typed(eventType), at, fmt.Sprint(time.Now().Unix()))
		require.Equal(t, 200, r.deliver([]byte(strings.Replace(b, `"a"`, `"`+strings.Trim(eventType, `"`)+`"`, 1))).status)
	}
	require.Equal(t, []string{"", "7", "strange"}, types)
}
