package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The defaults of [Options].
const (
	DefaultMaxBody         = 1 << 20
	defaultMaxRunning      = 256
	defaultBodyTimeout     = 3 * time.Second
	defaultStoreTimeout    = time.Second
	DefaultCallbackTimeout = 30 * time.Second
)

// leaseMargin is the time between the end of the callback's context and the end of the lease. The key is completed in it.
// With the default callback timeout, the lease ends before the next attempt of Convosphere and WorkFlux, which comes
// after 60 s.
const leaseMargin = 10 * time.Second

// longestLease is the longest time after which a delivery can run again if its process crashed. The lease of a callback that
// may take longer is renewed.
const longestLease = 5 * time.Minute

// leaseTime is how long a delivery must be leased, counted from its arrival.
func (o *Options) leaseTime() time.Duration { return o.CallbackTimeout + leaseMargin }

// maxDuration is the maximum of every timeout and window: a year. The sum of a few such values cannot overflow.
const maxDuration = 365 * 24 * time.Hour

// Options configure a [Handler]. Several handlers may share them. The settings of one endpoint are in the vendor's Config.
// A handler copies its Options when it is built. The zero value of each field selects its default. No timeout may be
// longer than a year.
type Options struct {
	// Store records which deliveries are running and which are done. Its retention must be longer than the time in which
	// a delivery can come again. NewHandler returns an error if it is shorter.
	// Defaults to the Inbox's store. Without an Inbox it defaults to a new [idempotency.Memory], which loses its keys on
	// restart.
	Store idempotency.Store

	// Inbox, if set, stores every delivery durably before the response, and runs the callback later. Without one, the
	// callback runs while the sender waits.
	Inbox Inbox

	// DeadLetter, if set, saves the deliveries that are not tried again: permanent failures, bodies that do not fit their
	// type, and failures on the vendor's last attempt. It must return nil only once the delivery is saved. After an error
	// or a panic the response is 500. Its context is independent of the request and ends with the delivery's lease.
	// It must not be set together with Inbox, which keeps dead letters itself.
	DeadLetter func(ctx context.Context, d *Delivery, cause error) error

	// DangerouslyFailOpen runs the callback even when the store is unavailable or full, instead of responding 503. While
	// the store is down, only this process prevents a delivery from running twice, and no record says that it ran. Set it
	// only if every callback may run twice. Each such run has FailedOpen in its Observation and is logged as a Warning.
	DangerouslyFailOpen bool

	// Logger gets at most one line for each Observation. At slog.LevelDebug every authentic delivery has a line, including
	// handled ones, duplicates and test events. The first delivery of a type without a callback is logged as a Warning, and
	// later ones at Debug. A failed run of a stored delivery is a Warning, because the inbox retries it. The inbox logs an
	// Error when the delivery becomes a dead letter. The line of a refused delivery has the probable cause in "cause" and
	// "explanation": see [Handler.Explain].
	//
	// Any sender can repeat unauthenticated requests and captured deliveries, so their lines above Debug are sampled. This
	// applies to requests that are not authentic, to a delivery that was logged in the last minute, and to deliveries
	// after the first 1,024 in a minute. Each outcome with its reason then has 5 lines, and after them one line every 10 s. Its
	// "lines_left_out" counts the lines that were not written. Runs of stored deliveries, and outcomes that complete a
	// delivery, are never sampled. A text longer than 1 KiB loses its middle; a stack, one longer than
	// 32 KiB. Defaults to slog.Default().
	Logger *slog.Logger

	// Observer, if set, is called once for each request. It is called again, with Late set, for a callback that ended after
	// the response. With an Inbox it is also called once for each run of a stored delivery, with FromInbox set. To count
	// requests, count the observations that have neither. Sampling does not apply to it. It must return quickly, because
	// it is called before the response is written. A panic is logged and has no other effect.
	Observer func(ctx context.Context, o Observation)

	// OnStoreCall, if set, is called after each call to the store: see [idempotency.GuardOptions].OnCall.
	OnStoreCall func(method string, took time.Duration, err error)

	// SilentAfter, if set, is the time without an accepted delivery after which the handler is silent. It then logs an Error
	// and calls OnSilence, and does both again when a delivery is accepted. Set it to several times the longest pause that is
	// normal, such as a weekend: no value fits all services, so there is no default. A delivery is accepted if it is authentic
	// and fresh, and was not completed before. The Store remembers the time of the last one, so with a durable Store the time
	// goes on during a restart, and several processes report only what none of them has accepted. [Handler.Shutdown] ends it.
	SilentAfter time.Duration

	// OnSilence, if set, is called when the handler becomes silent, and when that is over. It must return quickly. A panic
	// has no effect.
	OnSilence func(ctx context.Context, s Silence)

	// Middleware runs around the callback of every delivery, with and without an Inbox. The first one is the outermost. Use
	// it to measure the callback alone, to put values into its context, or to open a transaction.
	Middleware []Middleware

	// RespondToGET responds 200 with an empty body to HEAD and GET, for senders that check a URL before they create an
	// endpoint. The handler does not look at the credential then, so the response reveals nothing about it. The router
	// must let both methods through: mount the handler without "POST ". No vendor documents such a check, so the default
	// response is 405. An unsigned POST still gets a 401.
	RespondToGET bool

	// MaxBody is the maximum size of a body, in bytes. Defaults to [DefaultMaxBody].
	MaxBody int64

	// ReadBudget bounds the memory for bodies that are being read, authentic or not. Handlers with the same ReadBudget
	// share it. Its size must be at least twice MaxBody. Defaults to one budget of 32 MiB that all handlers of the process
	// share.
	ReadBudget *ReadBudget

	// MaxRunning is the maximum number of callbacks that run at once. Defaults to 256.
	MaxRunning int

	// RateLimit is the maximum number of authentic deliveries a second, and RateBurst the maximum at once. Zero means no
	// limit. Unauthenticated requests do not count. Each delivery that comes again has a separate limit of the same size,
	// so that a replay cannot use up the limit of new deliveries. It is recognized if fewer than 4,096 other deliveries
	// came in between. RateBurst defaults to the number of deliveries in one second, at least 1.
	RateLimit rate.Limit
	RateBurst int

	// BodyTimeout is the maximum time for reading the body. It replaces http.Server.ReadTimeout, which the handler lifts
	// while the callback runs. If a middleware hides the connection, see [NewServer]. Defaults to 3 s.
	BodyTimeout time.Duration

	// StoreTimeout is the maximum time for one call to the store, the inbox or an Authenticator. Defaults to 1 s.
	StoreTimeout time.Duration

	// ResponseTimeout is the latest time of the response, counted from the arrival. It must be shorter than the vendor's
	// timeout. Defaults to 4.5 s for vendors that wait for 5 s, and to 27 s for EmberQA. An earlier deadline of the
	// request's context takes precedence: see "Times" in the package documentation. http.Server.WriteTimeout must be
	// longer. If it is shorter, the handler extends it for its own responses and logs a Warning once. If a middleware
	// hides the connection, the handler responds before WriteTimeout instead.
	ResponseTimeout time.Duration

	// CallbackTimeout is the time at which the callback's context ends, counted from the arrival. Neither the response nor
	// a client's disconnect ends it. The lease of the delivery ends 10 s later. It may be hours: a lease of more than 5
	// minutes is renewed while the callback runs, so the Store must be an [idempotency.Renewer], as all stores of this module
	// are. After a crash the delivery can run again within 5 minutes. If the lease cannot be renewed, the context ends with
	// it, with the cause [idempotency.ErrLeaseLost]. For a callback that can take longer than the vendor tries, set an
	// Inbox: without one, every attempt meanwhile gets a 503, and WorkFlux then disables the endpoint. Defaults to
	// [DefaultCallbackTimeout].
	CallbackTimeout time.Duration

	// StrictFields makes a delivery undecodable if any field does not fit the event's type. By default such a field stays
	// unset and the callback runs. [Event.Undecoded] and the Observation then name the field, and the first such field is
	// logged as a Warning. A whole number fits an integer in any notation, such as 8.0, and a time may have any notation
	// that the envelope allows.
	//
	// The type and the id in the envelope must fit in either case. If the vendor's Config has a Key, every field must fit,
	// because the Key may use any of them. Data that is not an object never fits.
	StrictFields bool

	// Unmarshal decodes an event's data into its type. The data is valid JSON, and is part of the body. After an error,
	// the handler calls Unmarshal again with parts of the data, to find the fields that do not fit. Unmarshal decides what
	// a duplicate name inside the data means. The envelope is read without it. Defaults to encoding/json.Unmarshal.
	Unmarshal func(data []byte, v any) error
}

// Inbox stores deliveries durably. The packages below inbox implement it. A wrapper should embed the Inbox that it wraps,
// so that it passes on the methods that it does not change: struct{ webhook.Inbox }.
type Inbox interface {
	// Enqueue stores d in one atomic step, unless a delivery with the same first key is stored. It returns once the result
	// would survive a crash. An error means that d may not have been stored, except [ErrOtherContent], which reports a
	// duplicate.
	Enqueue(ctx context.Context, d *Delivery) (duplicate bool, err error)

	// Store returns the store that guards the callbacks. A handler uses it if its [Options] have no Store. If it is nil,
	// Options.Store is required: the default store is in memory, is not shared, and is lost on restart.
	Store() idempotency.Store

	// CheckHandler returns an error if the inbox cannot store the deliveries of a handler, for example bodies of maxBody
	// bytes. NewHandler returns the error.
	CheckHandler(vendor, endpoint string, maxBody int64) error
}

// ErrInboxFull is wrapped by the error of [Inbox.Enqueue] when the inbox has no capacity. It accepts deliveries again once
// it has processed some, or once its disk has free space.
var ErrInboxFull = errors.New("webhook: the inbox is full")

// ErrOtherContent is wrapped by the error of [Inbox.Enqueue] when d is a duplicate and the stored delivery has another
// body. An inbox that has deleted the stored body cannot detect this.
var ErrOtherContent = errors.New("webhook: a delivery with the same key but another body was received before; if they are two events, this one is not handled")

// withDefaults returns a copy with every default filled in, for a handler of that vendor.
func (o *Options) withDefaults(p *vendors.Profile) (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, n := range map[string]int64{
		"MaxBody": c.MaxBody, "MaxRunning": int64(c.MaxRunning),
		"RateBurst": int64(c.RateBurst), "BodyTimeout": int64(c.BodyTimeout), "StoreTimeout": int64(c.StoreTimeout),
		"ResponseTimeout": int64(c.ResponseTimeout), "CallbackTimeout": int64(c.CallbackTimeout), "SilentAfter": int64(c.SilentAfter),
	} {
		if n < 0 {
			return c, fmt.Errorf("webhook: Options.%s must not be negative", name)
		}
		if d := time.Duration(n); d > maxDuration && (strings.HasSuffix(name, "Timeout") || name == "SilentAfter") {
			return c, fmt.Errorf("webhook: Options.%s (%v) must be at most %v", name, d, maxDuration)
		}
	}
	if c.RateLimit < 0 {
		return c, errors.New("webhook: Options.RateLimit must not be negative")
	}
	fill(&c.MaxBody, DefaultMaxBody)
	fill(&c.MaxRunning, defaultMaxRunning)
	fill(&c.BodyTimeout, defaultBodyTimeout)
	fill(&c.StoreTimeout, defaultStoreTimeout)
	fill(&c.ResponseTimeout, p.RespondWithin-p.RespondWithin/10)
	fill(&c.CallbackTimeout, DefaultCallbackTimeout)
	fill(&c.RateBurst, max(1, int(min(c.RateLimit, 1<<30))))
	if c.ReadBudget == nil {
		c.ReadBudget = processBudget
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Middleware = slices.Clone(c.Middleware)
	if c.Unmarshal == nil {
		c.Unmarshal = json.Unmarshal
	}
	switch {
	case c.ReadBudget.size < 4*chunkSize:
		return c, fmt.Errorf("webhook: Options.ReadBudget (%d bytes) must be at least %d bytes", c.ReadBudget.size, 4*chunkSize)
	case c.MaxBody > c.ReadBudget.size/2:
		return c, fmt.Errorf("webhook: Options.ReadBudget (%d bytes) must be at least twice Options.MaxBody (%d bytes)", c.ReadBudget.size, c.MaxBody)
	case c.ResponseTimeout >= p.RespondWithin:
		return c, fmt.Errorf("webhook: Options.ResponseTimeout (%v) must be shorter than the %v that %s waits for a response",
			c.ResponseTimeout, p.RespondWithin, p.Name)
	case slices.ContainsFunc(c.Middleware, func(m Middleware) bool { return m == nil }):
		return c, errors.New("webhook: Options.Middleware must not have a nil function")
	case c.Inbox != nil && c.DeadLetter != nil:
		return c, errors.New("webhook: Options.DeadLetter must not be set together with Inbox, which keeps the dead letters itself")
	}
	return c, nil
}

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
