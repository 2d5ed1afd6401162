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

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// twoTypes registers a callback for pings and one for pongs, and returns the events that they get.
func twoTypes(r *receiver) *[]string {
	var types []string
	r.OnEvent(func(_ context.Context, e webhook.AnyEvent) error {
		types = append(types, e.Delivery().Type)
		return nil
	})
	return &types
}

func TestKeys_TypeIsPart(t *testing.T) {
	for name, change := range map[string]func(*vendors.Profile, *vendors.HandlerConfig){
		"the vendor's": func(*vendors.Profile, *vendors.HandlerConfig) {},
		"the user's": func(_ *vendors.Profile, e *vendors.HandlerConfig) {
			e.DedupKey = func(event any) string { return event.(*Ping).ID }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{}, change)
			types := twoTypes(r)
			b := body("a")
			require.Equal(t, webhook.Handled, r.process(b).Outcome)
			require.Equal(t, webhook.Handled, r.process(bytes.Replace(b, []byte("ping"), []byte("pong"), 1)).Outcome)
			require.Equal(t, webhook.Duplicate, r.process(b).Outcome)
			require.Equal(t, []string{"ping", "pong"}, *types)
		})
	}
}

// Different pairs of type and id have different keys, and each delivery has one key.
func TestKeys_TypeAndIDAreUnambiguous(t *testing.T) {
	seen := make(map[string]string)
	types := []string{"a", "a/b", "a/b/", "a/", "/", "", "b", "a/b\n", "sha256:", "a b", "ключ", "a\x00"}
	for _, eventType := range types {
		for _, id := range []string{"c", "b/c", "/c", "/", "b", "sha256:", "b c", "a/b/c"} {
			a := vendors.Authenticated{Body: []byte("{}"), Envelope: vendors.Envelope{Type: eventType, ID: id}}
			key := vendors.ByEventID(&a).Keys[0]
			require.NotContains(t, seen, key, "%q %q", eventType, id)
			seen[key] = eventType + " " + id
			require.Equal(t, key, vendors.ByEventID(&a).Keys[0])
			for i := range len(key) {
				require.True(t, key[i] > ' ' && key[i] < 0x7f, "%q", key)
			}
		}
	}
	spelled := bytes.Replace(body("a"), []byte(`"ping"`), []byte(`"\u0070ing"`), 1)
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	require.Equal(t, webhook.Handled, r.process(body("a")).Outcome)
	require.Equal(t, webhook.Duplicate, r.process(spelled).Outcome, "an escaped spelling of the same type")
}

func TestKeys_UnreadableTypeIsNamedByContent(t *testing.T) {
	a := vendors.Authenticated{Body: []byte("{}"), Envelope: vendors.Envelope{Type: "a\uFFFD", ID: "1"}}
	require.Equal(t, vendors.ByContent(&a), vendors.ByEventID(&a))
}

// A dashboard's test event may have the same id each time, or a vendor may give two events one id.
func TestDuplicate_OtherContentIsVisible(t *testing.T) {
	for name, change := range map[string]func(first []byte) []byte{
		"other data":    func(b []byte) []byte { return bytes.Replace(b, []byte(`"n":7`), []byte(`"n":8`), 1) },
		"a later time":  func([]byte) []byte { return bodyAt("a", time.Now().Add(time.Second)) },
		"a space more":  func(b []byte) []byte { return append(b, ' ') },
		"another field": func(b []byte) []byte { return bytes.Replace(b, []byte(`{`), []byte(`{"more":1,`), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, returns(nil))
				first := body("a")
				require.Equal(t, webhook.Handled, r.process(first).Outcome)

				same := r.process(first)
				require.Equal(t, webhook.Duplicate, same.Outcome)
				require.Equal(t, webhook.ReasonNone, same.Reason)
				require.NoError(t, same.Err)
				require.Zero(t, r.log.Count(`"level":"WARN"`))

				other := r.process(change(first))
				require.Equal(t, webhook.Duplicate, other.Outcome)
				require.Equal(t, http.StatusOK, other.Status)
				require.Equal(t, webhook.ReasonOtherContent, other.Reason)
				require.Equal(t, `{"received":true,"duplicate":true}`, string(other.Body))
				seen := r.observations()
				require.Equal(t, webhook.ReasonOtherContent, seen[len(seen)-1].Reason)
				require.Equal(t, 1, r.log.Count(`"level":"WARN"`))
				require.Contains(t, r.log.String(), `"reason":"other_content"`)
				require.Contains(t, r.log.String(), "another body")
			})
		})
	}
}

// The comparison also applies to a duplicate that waited for the first copy, and to one in another process.
func TestDuplicate_OtherContentIsVisibleEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(context.Context, *Ping) error { time.Sleep(time.Second); return nil })
		other := newReceiver(t, webhook.Options{Store: r.store})
		ping.On(other.Handler, returns(errCallback))
		b := body("a")
		go r.process(b)
		synctest.Wait()
		waited := make(chan webhook.Result)
		go func() { waited <- r.process(append(bytes.Clone(b), '\n')) }()
		require.Equal(t, webhook.ReasonOtherContent, (<-waited).Reason)
		require.Equal(t, webhook.ReasonOtherContent, other.process(append(bytes.Clone(b), ' ')).Reason, "after a restart")
		require.Equal(t, webhook.ReasonNone, other.process(b).Reason)
	})
}

// After a failure the delivery may come with another body. Its body then counts.
func TestDuplicate_IsComparedWithWhatCompleted(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	fails := true
	ping.On(r.Handler, func(context.Context, *Ping) error {
		if fails {
			return errCallback
		}
		return nil
	})
	first := body("a")
	second := append(bytes.Clone(first), ' ')
	require.Equal(t, webhook.Failed, r.process(first).Outcome)
	fails = false
	require.Equal(t, webhook.Handled, r.process(second).Outcome)
	require.Equal(t, webhook.ReasonNone, r.process(second).Reason)
	require.Equal(t, webhook.ReasonOtherContent, r.process(first).Reason)
}

// A user's store that keeps no tags still detects duplicates.
func TestDuplicate_StoreWithoutTags(t *testing.T) {
	r := newReceiver(t, webhook.Options{Store: &tagless{}})
	ping.On(r.Handler, returns(nil))
	b := body("a")
	require.Equal(t, webhook.Handled, r.process(b).Outcome)
	result := r.process(append(bytes.Clone(b), ' '))
	require.Equal(t, webhook.Duplicate, result.Outcome)
	require.Equal(t, webhook.ReasonNone, result.Reason)
}

type tagless struct{ brokenStore }

func (s *tagless) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	claim, err := s.brokenStore.Claim(ctx, key, token, lease)
	claim.OtherTag = false
	return claim, err
}

func TestInbox_OtherContentIsVisible(t *testing.T) {
	r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
		return true, fmt.Errorf("the engine: %w", webhook.ErrOtherContent)
	})})
	result := r.process(body("a"))
	require.Equal(t, webhook.Stored, result.Outcome)
	require.Equal(t, http.StatusOK, result.Status)
	require.Equal(t, webhook.ReasonOtherContent, result.Reason)
	require.Equal(t, 1, r.log.Count(`"level":"WARN"`))
}

// ErrOtherContent without a duplicate means that the delivery was not stored.
func TestInbox_OtherContentWithoutDuplicateIsUnavailable(t *testing.T) {
	r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
		return false, webhook.ErrOtherContent
	})})
	require.Equal(t, webhook.Unavailable, r.process(body("a")).Outcome)
}
