package webhook

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives the deliveries of one vendor at one endpoint. It is an [http.Handler]. [Handler.Process] does the
// same without a socket. Register all callbacks before the first delivery.
//
// Users get a Handler from a vendor's package, which adds a method for each event type.
type Handler struct {
	profile     vendors.Profile
	config      vendors.HandlerConfig
	options     Options
	window      signature.Window
	envelope    *vendors.EnvelopeReader
	keptHeaders []string
	knownTypes  map[string]bool

	store idempotency.Store
	guard *idempotency.Guard
	rate  *rateLimiter // nil: no limit

	running atomic.Int64
	drain   drainTracker
	log     deliveryLogger
	silence silenceWatch

	writeTimeoutNoticed sync.Once
	stallNoticed        sync.Once
	unsignedNoticed     sync.Once

	sealed      atomic.Bool // the first delivery has come, and no callback may be registered
	callbacks   map[string]*callback
	onUnhandled func(context.Context, *Delivery) error
	onAny       func(context.Context, *Delivery) error
}

var endpointName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// NewHandler returns a handler for a vendor. It is for the author of a vendor's package: users call that package's
// NewHandler. The error names the option and the rule that it breaks.
func NewHandler(p vendors.Profile, c vendors.HandlerConfig, o *Options) (*Handler, error) {
	if c.Endpoint == "" {
		c.Endpoint = "default"
	}
	if err := setAuthenticator(&p, &c); err != nil {
		return nil, err
	}
	switch {
	case !endpointName.MatchString(c.Endpoint):
		return nil, fmt.Errorf("webhook: Config.Endpoint %q must be 1 to 64 of letters, digits, '.', '_' and '-'", c.Endpoint)
	case c.Window < 0:
		return nil, errors.New("webhook: Config.Window must not be negative")
	case max(c.Window, p.Window) > maxDuration:
		return nil, fmt.Errorf("webhook: Config.Window (%v) must be at most %v", max(c.Window, p.Window), maxDuration)
	case c.Attempts < 0:
		return nil, errors.New("webhook: Config.Attempts must not be negative")
	}
	options, err := o.withDefaults(&p)
	if err != nil {
		return nil, err
	}
	if c.Window > 0 {
		p.Window = c.Window
	}
	if c.Attempts > 0 {
		p.Attempts, p.GiveUpAfter = c.Attempts, 0
	}
	h := &Handler{
		profile:     p,
		config:      c,
		options:     options,
		window:      signature.Window{Past: p.Window, Future: signature.DefaultSkew},
		keptHeaders: slices.Clone(p.Headers),
		knownTypes:  make(map[string]bool, len(p.Events)),
		callbacks:   make(map[string]*callback),
	}
	if p.TimeField != "" {
		h.keptHeaders = append(h.keptHeaders, p.TimeField)
	}
	for _, t := range p.Events {
		if _, ok := t.New().(AnyEvent); !ok {
			return nil, fmt.Errorf("webhook: Profile.Events: the type of %q (%T) must embed webhook.Event", t.Name(), t.New())
		}
		h.knownTypes[t.Name()] = true
	}
	if len(p.Envelope.Type) == 0 && p.TypeHeader == "" {
		return nil, errors.New("webhook: Profile.Envelope must name the type, or Profile.TypeHeader must")
	}
	if h.envelope, err = vendors.NewEnvelopeReader(&p.Envelope, h.documents); err != nil {
		return nil, err
	}
	if options.RateLimit > 0 {
		h.rate = newRateLimiter(options.RateLimit, options.RateBurst)
	}
	if options.Inbox != nil {
		if err := options.Inbox.CheckHandler(p.Name, c.Endpoint, options.MaxBody); err != nil {
			return nil, fmt.Errorf("webhook: Options.Inbox cannot take the deliveries of %s: %w", p.Name, err)
		}
	}
	if err := h.openStore(); err != nil {
		return nil, err
	}
	if 0 < p.Window && p.Window < p.RetryWindow && p.TimeField == "" {
		options.Logger.Warn("webhook: Config.Window is shorter than the vendor's retry window; later attempts may be refused as stale",
			"vendor", p.Name, "endpoint", c.Endpoint, "window", p.Window.String(), "retry_window", p.RetryWindow.String())
	}
	h.drain.init()
	h.log.init(options.Logger)
	h.silence.start(h)
	return h, nil
}

// openStore selects the store and checks its retention. If the store forgot a key while its delivery can still come, a
// replay would run again.
func (h *Handler) openStore() error {
	store, inbox := h.options.Store, h.options.Inbox
	if store == nil && inbox != nil {
		if store = inbox.Store(); store == nil {
			return errors.New("webhook: Options.Store must be set, because Options.Inbox has no store")
		}
	}
	if store == nil {
		memory, err := idempotency.NewMemory(&idempotency.MemoryOptions{Logger: h.options.Logger, Retention: max(h.profile.RetryWindow, idempotency.DefaultMemoryRetention)})
		if err != nil {
			return err
		}
		store = memory
	}
	needed := h.profile.RetryWindow
	if h.profile.Window > 0 {
		needed = max(needed, h.window.Past+h.window.Future)
	}
	if got := store.Retention(); got < needed {
		return fmt.Errorf("webhook: Options.Store remembers a completed key for %v, but %s can send a delivery again for %v; its retention must not be shorter",
			got, h.profile.Name, needed)
	}
	if _, renews := store.(idempotency.Renewer); !renews && h.options.leaseTime() > longestLease {
		return fmt.Errorf("webhook: Options.CallbackTimeout (%v) must be at most %v, because Options.Store cannot renew a lease: it is not an idempotency.Renewer",
			h.options.CallbackTimeout, longestLease-leaseMargin)
	}
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: h.options.StoreTimeout, OnCall: h.options.OnStoreCall})
	h.store, h.guard = store, guard
	return err
}

// OnUnhandled registers fn for deliveries of types that have no callback, including types that the vendor does not
// document. It does not get bodies that do not fit the type of their callback. It panics in the cases of [EventType.On].
func (h *Handler) OnUnhandled(fn func(context.Context, *Delivery) error) {
	h.registerOnce("OnUnhandled", &h.onUnhandled, fn)
}

// Before registers fn to run before the callback of every delivery, under the same claim. Use it for what every callback
// needs first, such as a tenant check. If fn returns an error, the callback does not run, and the error decides the
// outcome. If fn returns nil for a type without a callback, the delivery stays unhandled. Its keys are released, and an
// inbox keeps it until a later version of the program registers a callback.
//
// fn runs on every attempt. It does not run for an unhandled delivery whose time is missing or stale. To handle types
// without a callback, use OnUnhandled. To run code around every callback, use Options.Middleware. To observe outcomes, use
// Options.Observer. Before panics in the cases of
// [EventType.On].
func (h *Handler) Before(fn func(context.Context, *Delivery) error) {
	h.registerOnce("Before", &h.onAny, fn)
}

// OnEvent registers fn as the callback for every type that the vendor documents. Use it to forward or show decoded events
// of all types. It panics in the cases of [EventType.On].
func (h *Handler) OnEvent(fn func(context.Context, AnyEvent) error) {
	if fn == nil {
		panic("webhook: the callback given to OnEvent is nil")
	}
	for _, t := range h.profile.Events {
		h.register(t.Name(), func() { h.callbacks[t.Name()] = &callback{eventType: t, call: fn} })
	}
}

func (h *Handler) registerOnce(name string, slot *func(context.Context, *Delivery) error, fn func(context.Context, *Delivery) error) {
	if fn == nil {
		panic(fmt.Sprintf("webhook: the callback given to %s is nil", name))
	}
	if *slot != nil {
		panic(fmt.Sprintf("webhook: %s has a callback already", name))
	}
	h.register(name, func() { *slot = fn })
}

// register calls set, which sets a callback, unless one is set or it is too late.
func (h *Handler) register(name string, set func()) {
	if h.sealed.Load() {
		panic(fmt.Sprintf("webhook: the callback for %q must be registered before the first delivery", name))
	}
	if h.callbacks[name] != nil {
		panic(fmt.Sprintf("webhook: the type %q of %s has a callback already", name, h.profile.Name))
	}
	set()
}

// seal ends the registration of callbacks. It loads first, because a store on every delivery would move the cache line
// between cores.
func (h *Handler) seal() {
	if !h.sealed.Load() {
		h.sealed.Store(true)
	}
}

// documents reports whether the vendor documents a type, or a callback is registered for it.
func (h *Handler) documents(eventType string) bool {
	return h.knownTypes[eventType] || h.callbacks[eventType] != nil
}

// Vendor returns the name of the handler's vendor.
func (h *Handler) Vendor() string { return h.profile.Name }

// Endpoint returns the name of the handler's endpoint, from Config.Endpoint. Defaults to "default".
func (h *Handler) Endpoint() string { return h.config.Endpoint }

// Handles reports whether a callback runs for deliveries of that type: the callback of the type, or OnUnhandled. Before
// does not count. Call it after all callbacks are registered.
func (h *Handler) Handles(eventType string) bool {
	return h.callbacks[eventType] != nil || h.onUnhandled != nil
}
