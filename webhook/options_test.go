package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

func newHandler(o *webhook.Options, change ...func(*vendors.Profile, *vendors.HandlerConfig)) (*webhook.Handler, error) {
	p, e := acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}}
	for _, f := range change {
		f(&p, &e)
	}
	return webhook.NewHandler(p, e, o)
}

// A foreignType makes events that do not embed webhook.Event.
type foreignType struct{}

func (foreignType) Name() string { return "foreign" }
func (foreignType) New() any     { return new(struct{}) }

func memory(t testing.TB, retention time.Duration) *idempotency.Memory {
	m, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: retention})
	require.NoError(t, err)
	return m
}

func TestOptions_NamesBrokenRule(t *testing.T) {
	inbox := inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) { return false, nil })
	deadLetter := func(context.Context, *webhook.Delivery, error) error { return nil }
	for want, o := range map[string]webhook.Options{
		"webhook: Options.MaxBody must not be negative":                                                                                                  {MaxBody: -1},
		"webhook: Options.ReadBudget (65535 bytes) must be at least 65536 bytes":                                                                         {MaxBody: 1, ReadBudget: webhook.NewReadBudget(64<<10 - 1)},
		"webhook: Options.ReadBudget (-1 bytes) must be at least 65536 bytes":                                                                            {ReadBudget: webhook.NewReadBudget(-1)},
		"webhook: Options.ReadBudget (0 bytes) must be at least 65536 bytes":                                                                             {ReadBudget: new(webhook.ReadBudget)},
		"webhook: Options.ReadBudget (2097151 bytes) must be at least twice Options.MaxBody (1048576 bytes)":                                             {ReadBudget: webhook.NewReadBudget(2<<20 - 1)},
		"webhook: Options.ReadBudget (33554432 bytes) must be at least twice Options.MaxBody (9223372036854775807 bytes)":                                {MaxBody: math.MaxInt64},
		"webhook: Options.MaxRunning must not be negative":                                                                                               {MaxRunning: -1},
		"webhook: Options.RateLimit must not be negative":                                                                                                {RateLimit: -0.1},
		"webhook: Options.RateBurst must not be negative":                                                                                                {RateBurst: -1},
		"webhook: Options.BodyTimeout must not be negative":                                                                                              {BodyTimeout: -1},
		"webhook: Options.StoreTimeout must not be negative":                                                                                             {StoreTimeout: -1},
		"webhook: Options.ResponseTimeout must not be negative":                                                                                          {ResponseTimeout: -1},
		"webhook: Options.CallbackTimeout must not be negative":                                                                                          {CallbackTimeout: -1},
		"webhook: Options.ResponseTimeout (5s) must be shorter than the 5s that acme waits for a response":                                               {ResponseTimeout: 5 * time.Second},
		"webhook: Options.ResponseTimeout (1m0s) must be shorter than the 5s that acme waits for a response":                                             {ResponseTimeout: time.Minute},
		"webhook: Options.DeadLetter must not be set together with Inbox, which keeps the dead letters itself":                                           {Inbox: inbox, DeadLetter: deadLetter},
		"webhook: Options.Middleware must not have a nil function":                                                                                       {Middleware: []webhook.Middleware{passes, nil}},
		"webhook: Options.Store must be set, because Options.Inbox has no store":                                                                         {Inbox: inbox},
		"webhook: Options.Inbox cannot take the deliveries of acme: it is for others":                                                                    {Inbox: choosyInbox{err: errors.New("it is for others")}},
		"webhook: Options.Store remembers a completed key for 1h4m59s, but acme can send a delivery again for 1h5m0s; its retention must not be shorter": {Store: memory(t, time.Hour+5*time.Minute-time.Second)},
	} {
		_, err := newHandler(&o)
		require.EqualError(t, err, want)
	}
	for _, o := range []*webhook.Options{
		nil, {}, {ResponseTimeout: 5*time.Second - 1}, {Store: memory(t, time.Hour+5*time.Minute)}, {Inbox: inbox, Store: memory(t, 0)}, {DeadLetter: deadLetter}, {ReadBudget: webhook.NewReadBudget(2 << 20)}, {MaxBody: webhook.DefaultReadBudget / 2},
		{RateLimit: rate.Inf}, {RateLimit: 1e-9}, {MaxBody: math.MaxInt64 / 2, ReadBudget: webhook.NewReadBudget(math.MaxInt64)}, {Inbox: choosyInbox{store: memory(t, 0)}}, {CallbackTimeout: 1},
	} {
		_, err := newHandler(o)
		require.NoError(t, err)
	}
}

func TestHandlerConfig_NamesBrokenRule(t *testing.T) {
	for want, change := range map[string]func(*vendors.Profile, *vendors.HandlerConfig){
		`webhook: Config.Endpoint "a b" must be 1 to 64 of letters, digits, '.', '_' and '-'`: func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Endpoint = "a b" },
		`webhook: Config.Endpoint "a/b" must be 1 to 64 of letters, digits, '.', '_' and '-'`: func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Endpoint = "a/b" },
		"webhook: Config.Window must not be negative":                                         func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = -1 },
		"webhook: Config.Attempts must not be negative":                                       func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Attempts = -1 },
		"webhook: Profile.Envelope must name the type, or Profile.TypeHeader must":            func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Envelope.Type = nil },
		"webhook: Profile.Envelope must have at most 12 names":                                func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Envelope.ID = make([]string, 12) },
	} {
		_, err := newHandler(nil, change)
		require.EqualError(t, err, want)
	}
	unsigned, key := acme(), []signature.Key{signature.NewKey("k", "secret")}
	unsigned.Scheme = nil
	_, err := webhook.NewHandler(unsigned, vendors.HandlerConfig{Keys: key}, nil)
	require.EqualError(t, err, "webhook: HandlerConfig.Authenticator must be set for a vendor whose Profile has no Scheme")
	acceptAll := vendors.AuthenticatorFunc(func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
		return signature.Match{}, nil
	})
	_, err = webhook.NewHandler(acme(), vendors.HandlerConfig{Keys: key, Authenticator: acceptAll}, nil)
	require.EqualError(t, err, "webhook: HandlerConfig.Keys and Tenants must be empty with an Authenticator")
	h, err := webhook.NewHandler(unsigned, vendors.HandlerConfig{Authenticator: acceptAll}, nil)
	require.NoError(t, err)
	require.EqualError(t, h.SetKeys(key...), "acme: SetKeys: the vendor does not sign, so there are no keys")
	foreign := acme()
	foreign.Events = []vendors.EventType{foreignType{}}
	_, err = webhook.NewHandler(foreign, vendors.HandlerConfig{Keys: key}, nil)
	require.EqualError(t, err, `webhook: Profile.Events: the type of "foreign" (*struct {}) must embed webhook.Event`)
	_, err = webhook.NewHandler(acme(), vendors.HandlerConfig{}, nil)
	require.ErrorContains(t, err, "acme: Config.Keys: ")
	bad := acme()
	bad.Scheme = &signature.Scheme{Header: "x-acme"}
	_, err = webhook.NewHandler(bad, vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("k", "secret")}}, nil)
	require.ErrorContains(t, err, "acme: ")
}

func TestRetention_MustCoverWindowAndRetryWindow(t *testing.T) {
	for name, c := range map[string]struct {
		window, longer, retryWindow, needed time.Duration
	}{
		"the window, with the skew":   {window: time.Hour, retryWindow: 30 * time.Minute, needed: 65 * time.Minute},
		"the retry window, if longer": {window: time.Hour, retryWindow: 3 * time.Hour, needed: 3 * time.Hour},
		"the endpoint's own window":   {window: time.Hour, longer: 5 * time.Hour, retryWindow: time.Minute, needed: 5*time.Hour + 5*time.Minute},
		"no window":                   {retryWindow: 2 * time.Hour, needed: 2 * time.Hour},
		"no window, and no skew":      {retryWindow: time.Minute, needed: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(p *vendors.Profile, e *vendors.HandlerConfig) {
				p.Window, p.RetryWindow, e.Window = c.window, c.retryWindow, c.longer
			}
			quiet := slog.New(slog.DiscardHandler)
			_, err := newHandler(&webhook.Options{Store: memory(t, c.needed), Logger: quiet}, change)
			require.NoError(t, err)
			_, err = newHandler(&webhook.Options{Store: memory(t, c.needed-1), Logger: quiet}, change)
			require.ErrorContains(t, err, "its retention must not be shorter")
		})
	}
}

func TestWindow_WarnsWhenShorterThanRetries(t *testing.T) {
	var log logtest.LogBuffer
	o := &webhook.Options{Logger: log.JSON(slog.LevelInfo)}
	_, err := newHandler(o, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = 30 * time.Minute })
	require.NoError(t, err)
	require.Empty(t, log.String())
	_, err = newHandler(o, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = 30*time.Minute - 1 })
	require.NoError(t, err)
	require.Equal(t, 1, log.Count(`"level":"WARN"`))
	require.Contains(t, log.String(), "Config.Window")
}

func TestOptions_AreCopied(t *testing.T) {
	seen := 0
	o := webhook.Options{Logger: slog.New(slog.DiscardHandler), Observer: func(context.Context, webhook.Observation) { seen++ }}
	h, err := newHandler(&o)
	require.NoError(t, err)
	ping.On(h, returns(nil))
	o = webhook.Options{MaxBody: 1, Observer: func(context.Context, webhook.Observation) { panic("not this one") }, RateLimit: 1e-9}
	r := newReceiver(t, webhook.Options{})
	for _, id := range []string{"a", "b"} {
		request := r.signed(body(id))
		require.Equal(t, http.StatusOK, h.Process(t.Context(), webhook.Request{Header: request.Header, Body: request.Body}).Status)
	}
	require.Equal(t, 2, seen)
}

func TestOptions_BuildSeveralHandlers(t *testing.T) {
	store := memory(t, 0)
	o := &webhook.Options{Store: store}
	for _, name := range []string{"one", "two"} {
		h, err := newHandler(o, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Endpoint = name })
		require.NoError(t, err)
		ping.On(h, returns(nil))
		r := newReceiver(t, webhook.Options{})
		request := r.signed(body("a"))
		result := h.Process(t.Context(), webhook.Request{Header: request.Header, Body: request.Body})
		require.Equal(t, webhook.Handled, result.Outcome, "endpoints must not share keys")
		require.Equal(t, []string{"acme/" + name + "/id/ping/a"}, result.Delivery.Keys)
	}
	require.Equal(t, &webhook.Options{Store: store}, o, "NewHandler must not change the Options")
}

func TestOptions_HaveDocumentedDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := newHandler(nil)
		require.NoError(t, err)
		r := newReceiver(t, webhook.Options{})
		var ends, responded, leased time.Duration
		start := time.Now()
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			deadline, _ := ctx.Deadline()
			ends = time.Until(deadline)
			claim, err := r.store.Claim(ctx, keyOf("a"), idempotency.NewToken(), time.Second)
			leased = claim.Remaining
			time.Sleep(time.Minute)
			return err
		})
		require.Equal(t, 503, r.deliver(body("a")).status)
		responded = time.Since(start)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, []time.Duration{30 * time.Second, 4500 * time.Millisecond, 40 * time.Second}, []time.Duration{ends, responded, leased})

		large := make([]byte, webhook.DefaultMaxBody+1)
		require.Equal(t, webhook.ReasonTooLarge, h.Process(t.Context(), webhook.Request{ContentLength: int64(len(large))}).Reason)
		require.Equal(t, webhook.Unauthenticated, h.Process(t.Context(), webhook.Request{ContentLength: int64(len(large)) - 1}).Outcome)
	})
}

func TestRateLimit_DefaultsBurstToOneSecond(t *testing.T) {
	for limit, burst := range map[rate.Limit]int{0.5: 1, 1: 1, 7: 7} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{RateLimit: limit})
			for range 20 {
				r.deliver(body("a"))
			}
			let := 0
			for _, o := range r.observations() {
				if o.Outcome != webhook.Unavailable {
					let++
				}
			}
			require.Equal(t, burst, let)
		})
	}
}

// A choosyInbox checks its handlers and has a store.
type choosyInbox struct {
	err   error
	asked *[]any
	store idempotency.Store
}

func (choosyInbox) Enqueue(context.Context, *webhook.Delivery) (bool, error) { return false, nil }
func (i choosyInbox) Store() idempotency.Store                               { return i.store }
func (i choosyInbox) CheckHandler(vendor, endpoint string, maxBody int64) error {
	if i.asked != nil {
		*i.asked = []any{vendor, endpoint, maxBody}
	}
	return i.err
}

func TestInbox_ReceivesVendorEndpointAndMaxBody(t *testing.T) {
	var asked []any
	_, err := newHandler(&webhook.Options{Inbox: choosyInbox{asked: &asked, store: memory(t, 0)}, MaxBody: 77},
		func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Endpoint = "support" })
	require.NoError(t, err)
	require.Equal(t, []any{"acme", "support", int64(77)}, asked)

	reason := errors.New("too large")
	_, err = newHandler(&webhook.Options{Inbox: choosyInbox{err: reason, store: memory(t, 0)}})
	require.ErrorIs(t, err, reason)
}

// A wrapper of an inbox changes one method.
type wrappedInbox struct {
	webhook.Inbox

	enqueued *int
}

func (w wrappedInbox) Enqueue(ctx context.Context, d *webhook.Delivery) (bool, error) {
	*w.enqueued++
	return w.Inbox.Enqueue(ctx, d)
}

func TestInbox_WrapperKeepsStoreAndChecks(t *testing.T) {
	own, n := memory(t, 0), 0
	wrap := func(box webhook.Inbox) webhook.Inbox { return wrappedInbox{wrappedInbox{box, &n}, &n} }
	h, err := newHandler(&webhook.Options{Inbox: wrap(choosyInbox{store: own})})
	require.NoError(t, err)
	ping.On(h, returns(nil))
	d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", Keys: []string{"k"}, Body: body("a")}
	require.Equal(t, webhook.Handled, h.Redeliver(t.Context(), d).Outcome)
	claim, err := own.Claim(t.Context(), "k", idempotency.NewToken(), time.Second)
	require.NoError(t, err)
	require.Equal(t, idempotency.Completed, claim.State)

	reason := errors.New("too large")
	_, err = newHandler(&webhook.Options{Inbox: wrap(choosyInbox{store: own, err: reason})})
	require.ErrorIs(t, err, reason)
}

func TestInbox_WithoutStoreIsRefused(t *testing.T) {
	for name, box := range map[string]webhook.Inbox{
		"none": choosyInbox{}, "wrapped": wrappedInbox{Inbox: choosyInbox{}}, "function": inboxFunc(nil),
	} {
		_, err := newHandler(&webhook.Options{Inbox: box})
		require.ErrorContains(t, err, "webhook: Options.Store must be set", name)
		_, err = newHandler(&webhook.Options{Inbox: box, Store: memory(t, 0)})
		require.NoError(t, err, name)
	}
}

func TestInbox_ProvidesStoreByDefault(t *testing.T) {
	own, other := memory(t, 0), memory(t, 0)
	d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", Keys: []string{"k"}, Body: body("a")}
	for _, given := range []idempotency.Store{nil, other} {
		h, err := newHandler(&webhook.Options{Inbox: choosyInbox{store: own}, Store: given})
		require.NoError(t, err)
		ping.On(h, returns(nil))
		require.Equal(t, webhook.Handled, h.Redeliver(t.Context(), d).Outcome, "the store is new")
	}
	for _, store := range []idempotency.Store{own, other} {
		claim, err := store.Claim(t.Context(), "k", idempotency.NewToken(), time.Second)
		require.NoError(t, err)
		require.Equal(t, idempotency.Completed, claim.State)
	}
	_, err := newHandler(&webhook.Options{Inbox: choosyInbox{store: memory(t, time.Minute)}})
	require.ErrorContains(t, err, "its retention must not be shorter")
}

func TestCallbacks_RegisterOnceBeforeFirstDelivery(t *testing.T) {
	unhandled := func(context.Context, *webhook.Delivery) error { return nil }
	r := newReceiver(t, webhook.Options{})
	for want, register := range map[string]func(){
		`webhook: the callback for acme events of type "ping" is nil`: func() { ping.On(r.Handler, nil) },
		"webhook: the callback given to OnUnhandled is nil":           func() { r.OnUnhandled(nil) },
		"webhook: the callback given to Before is nil":                func() { r.Before(nil) },
		"webhook: the callback given to OnEvent is nil":               func() { r.OnEvent(nil) },
		`webhook: the type "ping" of acme has a callback already`: func() {
			ping.On(r.Handler, returns(nil))
			ping.On(r.Handler, returns(nil))
		},
		"webhook: OnUnhandled has a callback already": func() { r.OnUnhandled(unhandled); r.OnUnhandled(unhandled) },
		"webhook: Before has a callback already":      func() { r.Before(unhandled); r.Before(unhandled) },
	} {
		require.PanicsWithValue(t, want, register)
	}
	r = newReceiver(t, webhook.Options{})
	r.Process(t.Context(), webhook.Request{}) // unauthenticated, but it ends the registration
	late := `webhook: the callback for "ping" must be registered before the first delivery`
	require.PanicsWithValue(t, late, func() { ping.On(r.Handler, returns(nil)) })
	require.Panics(t, func() { r.OnUnhandled(unhandled) })
	require.Panics(t, func() { r.Before(unhandled) })
	require.PanicsWithValue(t, "webhook: the event type struct {} must embed webhook.Event", func() { webhook.NewEventType[struct{}]("x") })
}
