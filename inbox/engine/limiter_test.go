package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// everywhere returns handlers for two vendors at two endpoints.
func everywhere() []inbox.Handler {
	var handlers []inbox.Handler
	for _, vendor := range []string{"acme", "emca"} {
		for _, endpoint := range []string{"default", "eu"} {
			handlers = append(handlers, &handler{vendor, endpoint, handled})
		}
	}
	return handlers
}

func TestPlacesAreThoseOfConcurrencyAndOfAllLimitsThatApply(t *testing.T) {
	limits := map[string]int{"acme": 5, "acme/eu": 2, "emca/eu": 50}
	d, _ := newDispatcher(t, inbox.Policy{Concurrency: 10, Limits: limits}, everywhere()...)
	require.Equal(t, 2, d.Reserve("acme", "eu", 9), "the endpoint's limit")
	require.Zero(t, d.Reserve("acme", "eu", 1))
	require.Equal(t, 3, d.Reserve("acme", "default", 9), "the rest of the vendor's limit")
	require.Zero(t, d.Reserve("acme", "default", 1))
	require.Equal(t, 1, d.Reserve("emca", "default", 1), "as many as requested")
	require.Equal(t, 4, d.Reserve("emca", "eu", 9), "the rest of Concurrency")
	require.Zero(t, d.Reserve("emca", "eu", 1))

	d.Unreserve("acme", "default", 2)
	require.Equal(t, 2, d.Reserve("emca", "default", 9), "the first caller gets the slots")
	require.Zero(t, d.Reserve("acme", "default", 1))
	d.Unreserve("emca", "eu", 4)
	require.Equal(t, 2, d.Reserve("acme", "default", 9))
	d.Unreserve("acme", "eu", 2)
	require.Equal(t, 2, d.Reserve("acme", "eu", 9))
	require.Equal(t, map[string]int{"acme": 5, "acme/eu": 2, "emca/eu": 50}, limits, "the policy is unchanged")
}

func TestReservingNoneTakesNone(t *testing.T) {
	d, _ := newDispatcher(t, inbox.Policy{Concurrency: 1}, everywhere()...)
	require.Zero(t, d.Reserve("acme", "eu", 0))
	require.Equal(t, 1, d.Reserve("acme", "eu", 1))
	require.Zero(t, d.Reserve("acme", "eu", 0))
}

func TestThereIsNoPlaceWithoutAHook(t *testing.T) {
	d, _ := newDispatcher(t, inbox.Policy{}, acme(handled))
	require.Zero(t, d.Reserve("acme", "eu", 1))
	require.Zero(t, d.Reserve("emca", "default", 1))
	require.Equal(t, inbox.DefaultConcurrency, d.Reserve("acme", "default", 1000), "the calls above took no slot")
}

func TestFreedPlacesAreTold(t *testing.T) {
	d, _ := newDispatcher(t, inbox.Policy{}, acme(handled))
	require.Equal(t, 5, d.Reserve("acme", "default", 5))
	d.Unreserve("acme", "default", 0)
	require.Empty(t, d.Freed(), "nothing was freed")
	d.Unreserve("acme", "default", 1)
	d.Unreserve("acme", "default", 4) // does not block although no one receives
	require.Len(t, d.Freed(), 1)
	<-d.Freed()
	require.Empty(t, d.Freed())
}

func TestNoLimitIsPassedByManyAtOnce(t *testing.T) {
	limits := map[string]int{"acme": 5, "acme/eu": 2}
	d, _ := newDispatcher(t, inbox.Policy{Concurrency: 7, Limits: limits}, everywhere()...)
	var total, ofVendor, ofEndpoint atomic.Int64
	within := func(n *atomic.Int64, by, most int64) {
		if now := n.Add(by); now < 0 || now > most {
			t.Errorf("%d slots of %d are taken", now, most)
		}
	}
	var all sync.WaitGroup
	for i := range 12 {
		vendor, endpoint := []string{"acme", "emca"}[i%2], []string{"default", "eu"}[i/2%2]
		all.Go(func() {
			for range 500 {
				n := d.Reserve(vendor, endpoint, 1+i%3)
				for _, by := range []int64{int64(n), -int64(n)} {
					within(&total, by, 7)
					if vendor == "acme" {
						within(&ofVendor, by, 5)
					}
					if vendor == "acme" && endpoint == "eu" {
						within(&ofEndpoint, by, 2)
					}
				}
				d.Unreserve(vendor, endpoint, n)
			}
		})
	}
	all.Wait()
	require.Equal(t, 2, d.Reserve("acme", "eu", 9), "all have been given back")
	require.Equal(t, 3, d.Reserve("acme", "default", 9))
	require.Equal(t, 2, d.Reserve("emca", "default", 9))
}

func TestAPlaceIsGivenBackOnceWhatCameOfItHasBeenPutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDispatcher(t, inbox.Policy{Concurrency: 1}, acme(handled))
		written := make(chan struct{})
		begin(t, d, delivery("a"), func(engine.Decision) { <-written })
		synctest.Wait()
		require.Zero(t, d.Reserve("acme", "default", 1))
		require.Empty(t, d.Freed())
		close(written)
		<-d.Freed()
		require.Equal(t, 1, d.Reserve("acme", "default", 1))
		d.Unreserve("acme", "default", 1)
		require.NoError(t, d.Drain())
	})
}
