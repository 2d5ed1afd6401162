package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// long returns a name of n bytes that ends with the digits of i.
func long(i, n int) string { return fmt.Sprintf("%0*d", n, i) }

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// named returns a body of that type and that id, each as JSON.
func named(eventType, id string) []byte {
	return fmt.Appendf(nil, `{"type":%s,"id":%s,"time":%d}`, eventType, id, time.Now().Unix())
}

// requireShort requires that the JSON of v has no long name.
func requireShort(t *testing.T, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.Less(t, len(text), 2500)
}

func TestNames_LongOnesBecomeDigests(t *testing.T) {
	const huge = 500_000
	for name, id := range map[string]string{
		"one byte too long": quoted(long(1, 257)),
		"500 KB":            quoted(long(1, huge)),
		"a number":          strings.Repeat("7", huge),
		"escapes":           `"` + strings.Repeat(`\u00e9`, 200) + `"`,
		"three bytes each":  quoted(strings.Repeat("界", 86)),
	} {
		t.Run(name, func(t *testing.T) {
			decoded := id
			if id[0] == '"' {
				require.NoError(t, json.Unmarshal([]byte(id), &decoded))
			}
			want := "sha256:" + digest(decoded)
			var stored *webhook.Delivery
			r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(_ context.Context, d *webhook.Delivery) (bool, error) {
				stored = d
				return false, nil
			})})
			b := named(id, id)
			require.Equal(t, 200, r.deliver(b).status)
			require.Equal(t, []string{want, want, want}, []string{stored.Type, stored.ID, stored.EventID})
			require.Equal(t, b, stored.Body, "the body must keep the original name")
			meta := *stored
			meta.Body = nil
			requireShort(t, meta)
			requireShort(t, r.observations())
			require.Equal(t, want, r.observations()[0].ID)
			require.Contains(t, r.log.String(), `"id":"`+want+`"`, "the log must have the same id")
			require.Less(t, len(r.log.String()), 2500)
		})
	}
}

func TestNames_UpTo256BytesStayAsTheyAre(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	r.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	name := long(1, 256)
	result := r.process(named(quoted(name), quoted(name)))
	require.Equal(t, name, result.Delivery.Type)
	require.Equal(t, name, result.Delivery.ID)
}

func TestNames_LongIDsAreKeptApart(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	var events []webhook.Event
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		require.Empty(t, e.Unknown(), "a long envelope member must not be unknown")
		events = append(events, e.Event)
		return nil
	})
	first, second := quoted(long(1, 1000)), quoted(long(2, 1000))
	// Both decode to U+FFFD, so only their bytes differ.
	broken, alsoBroken := `"\ud800`+long(1, 300)+`"`, "\"\xff"+long(1, 300)+`"`
	for i, id := range []string{first, second, broken, alsoBroken} {
		require.Equal(t, webhook.Handled, r.process(named(`"ping"`, id)).Outcome, i)
		require.Equal(t, webhook.Duplicate, r.process(named(`"ping"`, id)).Outcome, i)
	}
	require.Len(t, events, 4)
	require.Equal(t, "sha256:"+digest(long(1, 1000)), events[0].ID)
	for _, e := range events {
		require.Len(t, e.ID, len("sha256:")+64)
	}
}

func TestNames_LongTypesAreKeptApart(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	types := make(map[string]int)
	r.OnUnhandled(func(_ context.Context, d *webhook.Delivery) error { types[d.Type]++; return nil })
	for i := range 3 {
		for range 2 {
			r.process(named(quoted(long(i, 1000)), `"a"`))
		}
	}
	require.Equal(t, map[string]int{
		"sha256:" + digest(long(0, 1000)): 1, "sha256:" + digest(long(1, 1000)): 1, "sha256:" + digest(long(2, 1000)): 1,
	}, types)
	for _, o := range r.observations() {
		require.Equal(t, "other", o.Type)
	}
}

func TestNames_BoundsWhatUsersAndVendorsMake(t *testing.T) {
	huge := long(1, 600_000)
	byIdentify := func(p *vendors.Profile) {
		p.DedupKeys = func(*vendors.Authenticated) vendors.DedupKeys {
			return vendors.DedupKeys{ID: huge, Keys: []string{"own/" + huge, "other/" + huge}}
		}
	}
	for name, c := range map[string]struct {
		change  func(*vendors.Profile, *vendors.HandlerConfig)
		outcome webhook.Outcome
	}{
		"Endpoint.Key":      {func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.DedupKey = func(any) string { return huge } }, webhook.Handled},
		"Profile.DedupKeys": {func(p *vendors.Profile, _ *vendors.HandlerConfig) { byIdentify(p) }, webhook.Handled},
		"Profile.DedupKeys before a panic": {func(p *vendors.Profile, e *vendors.HandlerConfig) {
			byIdentify(p)
			e.DedupKey = func(any) string { panic("no key") }
		}, panicked},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{}, c.change)
			ping.On(r.Handler, returns(nil))
			result := r.process(body("a"))
			require.Equal(t, c.outcome, as(c.outcome, result.Outcome, result.Reason))
			require.Equal(t, "sha256:"+digest(huge), result.Delivery.ID)
			meta := *result.Delivery
			meta.Body = nil
			requireShort(t, meta)
			if len(meta.Keys) > 1 {
				require.NotEqual(t, meta.Keys[0], meta.Keys[1])
			}
		})
	}
}

// An inbox may have deliveries from before names were bounded. The callback gets them unchanged.
func TestNames_BoundsWhatIsSaidOfStoredDeliveries(t *testing.T) {
	huge := long(1, 600_000)
	for _, eventType := range []string{"ping", huge} {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(errCallback))
		d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: eventType, ID: huge, EventID: huge, Keys: []string{"k"}, Body: body("a")}
		result := r.Redeliver(t.Context(), d)
		require.Equal(t, huge, result.Delivery.ID)
		o := r.observations()[0]
		require.Equal(t, "sha256:"+digest(huge), o.ID)
		require.LessOrEqual(t, len(o.Type), 256)
		require.Contains(t, r.log.String(), `"id":"sha256:`+digest(huge))
		require.Less(t, len(r.log.String()), 2500)
	}
}
