package webhook_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// Every delivery that needs no attention has one line at Debug and one observation, each time. This includes duplicates, test
// events and types without a callback.
func TestLog_EveryDeliveryHasALine(t *testing.T) {
	ofType := func(eventType string, b []byte) []byte {
		return bytes.Replace(b, []byte(`"ping"`), []byte(`"`+eventType+`"`), 1)
	}
	for name, c := range map[string]struct {
		options webhook.Options
		body    func() []byte
		first   string // the level of the first line
		then    string // the level of later lines
		outcome webhook.Outcome
	}{
		"a retried delivery":    {body: func() []byte { return body("a") }, first: "DEBUG", then: "DEBUG", outcome: webhook.Duplicate},
		"no callback":           {body: func() []byte { return ofType("pong", body("a")) }, first: "WARN", then: "DEBUG", outcome: webhook.Unhandled},
		"an unknown type":       {body: func() []byte { return ofType("test", body("a")) }, first: "WARN", then: "DEBUG", outcome: webhook.Unhandled},
		"a test without a time": {body: func() []byte { return []byte(`{"type":"test"}`) }, first: "WARN", then: "DEBUG", outcome: webhook.Unhandled},
		"a stale test": {
			body:  func() []byte { return ofType("test", bodyAt("a", time.Now().Add(-48*time.Hour))) },
			first: "WARN", then: "DEBUG", outcome: webhook.Unhandled,
		},
		"stored before": {
			options: webhook.Options{Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) { return true, nil })},
			body:    func() []byte { return body("a") }, first: "DEBUG", then: "DEBUG", outcome: webhook.Stored,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, c.options)
				ping.On(r.Handler, returns(nil))
				b := c.body()
				for n := 1; n <= 4; n++ {
					require.Equal(t, 200, r.deliver(b).status)
					want := c.first
					if n > 1 {
						want = c.then
						require.Equal(t, c.outcome, r.observations()[n-1].Outcome)
					}
					require.Len(t, r.log.Lines(), n, "a line each")
					require.Contains(t, r.log.Lines()[n-1], `"level":"`+want+`"`)
					require.Len(t, r.observations(), n, "each delivery must have an observation")
				}
			})
		})
	}
}

// More types than are remembered must not silence later types.
func TestLog_ManyTypesHaveALineEach(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	for i := range 300 {
		r.deliver(bytes.Replace(body("a"), []byte(`"ping"`), []byte(`"type`+time.Duration(i).String()+`"`), 1))
	}
	require.Len(t, r.log.Lines(), 300)
	require.Equal(t, 256, r.log.Count(`"level":"WARN"`))
	require.Equal(t, 44, r.log.Count(`"level":"DEBUG"`))
}
