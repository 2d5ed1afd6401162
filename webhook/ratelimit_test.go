package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A sender repeats captured deliveries between the vendor's deliveries, which stay below the limit.
func TestRateLimit_ReplaysDoNotCountAgainstOthers(t *testing.T) {
	const genuine = 40
	seen := make(map[string]bool)
	inbox := inboxFunc(func(_ context.Context, d *webhook.Delivery) (bool, error) {
		defer func() { seen[d.Keys[0]] = true }()
		return seen[d.Keys[0]], nil
	})
	byHeader := func(p *vendors.Profile, _ *vendors.HandlerConfig) {
		p.DedupKeys = func(a *vendors.Authenticated) vendors.DedupKeys {
			identity := vendors.ByContent(a)
			identity.Keys = append(identity.Keys, "id/"+a.Header.Get("X-Unsigned"))
			return identity
		}
	}
	failCaptured := func(_ context.Context, e *Ping) error {
		if e.ID == "captured" {
			return errCallback
		}
		return nil
	}
	for name, c := range map[string]struct {
		options  webhook.Options
		callback func(context.Context, *Ping) error
		captures int
		change   func(*vendors.Profile, *vendors.HandlerConfig)
	}{
		"one that was handled":       {callback: returns(nil), captures: 1},
		"one that fails":             {callback: failCaptured, captures: 1},
		"twenty":                     {callback: returns(nil), captures: 20},
		"into an inbox":              {callback: returns(nil), captures: 1, options: webhook.Options{Inbox: inbox}},
		"with a new unsigned header": {callback: returns(nil), captures: 1, change: byHeader},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.options.RateLimit, c.options.RateBurst = 10, 10+c.captures
				if c.options.Inbox != nil {
					store := &brokenStore{}
					c.options.Store = store
				}
				change := func(*vendors.Profile, *vendors.HandlerConfig) {}
				if c.change != nil {
					change = c.change
				}
				r := newReceiver(t, c.options, change)
				ping.On(r.Handler, c.callback)
				captured := make([][]byte, c.captures)
				for i := range captured {
					id := "captured"
					if i > 0 {
						id = fmt.Sprint("captured", i)
					}
					captured[i] = body(id)
				}
				served, replay := 0, 0
				for i := range genuine {
					for range 100 {
						replay++
						r.process(captured[replay%len(captured)], func(h http.Header) { h.Set("X-Unsigned", fmt.Sprint(replay)) })
					}
					if r.process(body(fmt.Sprint("genuine", i))).Status == 200 {
						served++
					}
					time.Sleep(100 * time.Millisecond)
				}
				require.Equal(t, genuine, served)
			})
		})
	}
}

// Repeated deliveries are limited too. Otherwise a sender could run a failing callback at any rate.
func TestRateLimit_LimitsEachReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{RateLimit: 1, RateBurst: 5})
		runs := make(map[string]int)
		ping.On(r.Handler, func(_ context.Context, e *Ping) error {
			runs[e.ID]++
			return errCallback
		})
		for range 1000 {
			r.process(body("a"))
			r.process(body("b"))
		}
		require.Equal(t, map[string]int{"a": 5, "b": 5}, runs, "a burst each")
		time.Sleep(3 * time.Second)
		for range 1000 {
			r.process(body("a"))
		}
		require.Equal(t, 8, runs["a"])
	})
}

// A repeated delivery is recognized if fewer than 4,096 others came in between.
func TestRateLimit_RemembersWhatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const others = 10_000
		r := newReceiver(t, webhook.Options{RateLimit: 1e-9, RateBurst: others + 1})
		ping.On(r.Handler, returns(nil))
		for i := range others {
			if i%1000 == 0 {
				require.Equal(t, 200, r.process(body("captured")).Status)
			}
			require.Equal(t, 200, r.process(body(fmt.Sprint(i))).Status, i)
		}
		require.Equal(t, webhook.ReasonRate, r.process(body("one more")).Reason)
	})
}

// A refused delivery counts as new when it comes again.
func TestRateLimit_RefusedDeliveriesAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{RateLimit: 1, RateBurst: 1})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, 200, r.process(body("a")).Status)
		for range 100 {
			require.Equal(t, webhook.ReasonRate, r.process(body("b")).Reason)
		}
		time.Sleep(time.Second)
		require.Equal(t, 200, r.process(body("b")).Status)
		require.Equal(t, webhook.ReasonRate, r.process(body("c")).Reason)
	})
}

// Two deliveries of different types can have the same id.
func TestRateLimit_KnowsRepetitionByKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{RateLimit: 1e-9, RateBurst: 2})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, 200, r.process(body("a")).Status)
		require.Equal(t, 200, r.process(body("b")).Status)
		pong := bytes.Replace(body("a"), []byte(`"ping"`), []byte(`"pong"`), 1)
		require.Equal(t, webhook.ReasonRate, r.process(pong).Reason, "it must not use the limit of the first ping")
		require.Equal(t, 200, r.process(body("a")).Status)
	})
}
