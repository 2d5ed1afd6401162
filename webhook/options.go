package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

// leaseMargin is how much longer than its callback a delivery is leased: time to complete. With the default callback
// timeout the lease ends before Convosphere's and WorkFlux's next attempt, which comes after 60 s.
const leaseMargin = 10 * time.Second

// maxDuration is the longest timeout, and the longest window: a year. Sums of a few cannot overflow.
const maxDuration = 365 * 24 * time.Hour

// Options hold what several handlers may share; what belongs to one endpoint stands in the vendor's Config. They are
// copied when a handler is built. The zero value of each field stands for its default. No timeout may be longer than a year.
type Options struct {
	// Store remembers which deliveries are running and which are done. It must remember a key for longer than a
	// delivery can come again; that is checked when the handler is built.
	// Defaults to that of the Inbox, or without one to an [idempotency.Memory] of the handler's own, which a restart forgets.
	Store idempotency.Store

	// Inbox, if set, takes every delivery durably before it is answered, and calls back later. Without one, the
	// callback runs while the sender waits.
	Inbox Inbox

	// DeadLetter, if set, parks deliveries that cannot be handled: permanent failures, bodies that do not fit their
	// type, and the last failed attempt. It returns nil once the delivery is safe; after an error or a panic the
	// sender is answered 500. The context is its own, and ends with the delivery's lease. With an Inbox, which is
	// such a place itself, setting it is an error.
	DeadLetter func(ctx context.Context, d *Delivery, cause error) error

	// DangerouslyFailOpen has callbacks run although the store cannot be asked, or is full, in place of answering 503. Until
	// it can be asked again, nothing but this process keeps a delivery from running twice, and nothing remembers that
	// it ran: so it is for callbacks that may run twice. Each such run is observed as FailedOpen and logged as a Warning.
	DangerouslyFailOpen bool

	// Logger gets at most one line for each observation: see Observer. At slog.LevelDebug every authentic delivery has one:
	// what was handled, duplicates, and a vendor's test events too. The first delivery of a type without a callback is a
	// Warning, and those after it are Debug lines. A run of a stored delivery that fails is at slog.LevelWarn: the inbox
	// retries it, and writes the one line at slog.LevelError when it becomes a dead letter. The line of a refused delivery
	// says what was probably wrong, as "cause" and "explanation": see [Handler.Explain].
	//
	// Anybody can repeat forged requests, and deliveries that were captured. Of lines above Debug about requests that
	// are not authentic, about a delivery that had such a line in the last minute, and about more than 1,024 deliveries in a
	// minute, each outcome has 5 at first and one every 10 s after that, which says as "lines_left_out" how many were not
	// written. Runs of stored deliveries, and outcomes that complete a delivery, have every line. Texts are cut off after 1 KiB.
	// Defaults to slog.Default().
	Logger *slog.Logger

	// Observer, if set, is called once for each request, and once more for a callback that ended after the response, which
	// has Late set. With an Inbox it is also called once for each run of a stored delivery, which has FromInbox set. To
	// count requests, count those that have neither. What the log leaves out can be counted here. It must be quick: it is
	// called before the response is written. A panic is logged and changes nothing.
	Observer func(ctx context.Context, o Observation)

	// RespondToGET responds 200 with an empty body to HEAD and GET, for senders that check a URL before they create an
	// endpoint. Nothing else happens: the credential is not looked at, so the response says nothing about it. The
	// router must let both methods through: mount the handler without "POST ". No vendor documents such a check; the
	// default is a 405. A check by an unsigned POST stays a 401.
	RespondToGET bool

	// MaxBody is the largest body, in bytes. Defaults to [DefaultMaxBody].
	MaxBody int64

	// ReadBudget bounds the memory of the bodies that are being read, genuine or not. Handlers that have the same one
	// share it. It must be at least twice MaxBody. Defaults to one budget of 32 MiB for all handlers of
	// the process.
	ReadBudget *ReadBudget

	// MaxRunning is how many callbacks may run at once. Defaults to 256.
	MaxRunning int

	// RateLimit is how many authentic deliveries a second are let through, and RateBurst how many at once; forged ones
	// do not count. A delivery that comes again counts against a limit of its own, of the same size: those that follow one
	// another within 4,096 others are recognized. Zero means no limit. RateBurst defaults to a second's worth.
	RateLimit rate.Limit
	RateBurst int

	// BodyTimeout is how long reading the body may take. It takes the place of http.Server.ReadTimeout, which is lifted
	// while the callback runs. Where a middleware hides the connection, see [NewServer]. Defaults to 3 s.
	BodyTimeout time.Duration

	// StoreTimeout is how long one call to the store, the inbox or an Authenticator may take.
	// Defaults to 1 s.
	StoreTimeout time.Duration

	// ResponseTimeout is when the sender is answered at the latest, counted from the arrival. It must be shorter than
	// the vendor waits. Defaults to 4.5 s for vendors that wait for 5 s, 27 s for EmberQA. A request context that ends
	// earlier makes it earlier: see "Times" in the package documentation. http.Server.WriteTimeout must be longer. The
	// handler extends a shorter one for its own responses, or responds before it where a middleware hides the
	// connection, and warns once.
	ResponseTimeout time.Duration

	// CallbackTimeout is when the context of the callback ends, counted from the arrival. Neither the answer nor a
	// client that hangs up ends it. The delivery is leased for 10 s longer. Defaults to [DefaultCallbackTimeout].
	CallbackTimeout time.Duration

	// StrictFields makes a delivery undecodable if one of its fields does not fit the event's type. By default such a
	// field stays unset and the callback runs: [Event.Undecoded] names it, the Observation has it, and a Warning is
	// logged for the first one. A whole number fits an integer however it is written, 8.0 for instance, and a time may
	// be written as in the envelope. What the delivery is routed and recognised by must fit either way; so must every
	// field where the vendor's Config has a Key, which may be made of any. Data that is not an object never fits.
	StrictFields bool

	// Unmarshal decodes an event's data into its type. If it fails, it is asked again for parts of the data, to find
	// the fields that do not fit. What is given to it is valid JSON, and is the part of the body
	// that the delivery was routed by. Names that occur twice inside the data are the decoder's own business; the
	// envelope is read without it, and what it says is what the event says. Defaults to encoding/json.Unmarshal.
	Unmarshal func(data []byte, v any) error
}

// Inbox takes deliveries durably. Engines are in the folders below inbox. A wrapper around one embeds it, and so passes on
// what it does not change: struct{ webhook.Inbox }.
type Inbox interface {
	// Enqueue stores d unless a delivery with the same first key is there already, in one step, and returns once what
	// it reports would survive a crash. The error means that d may not have been stored; [ErrOtherContent] reports a
	// duplicate.
	Enqueue(ctx context.Context, d *Delivery) (duplicate bool, err error)

	// Store returns the store that guards the callbacks, which a handler takes if its [Options] have none. If it is nil,
	// Options.Store is required: the default, in memory, would not be shared and would be lost with the process.
	Store() idempotency.Store

	// CheckHandler returns an error if the inbox cannot take the deliveries of a handler, such as bodies of maxBody
	// bytes. The handler is then not built.
	CheckHandler(vendor, endpoint string, maxBody int64) error
}

// ErrInboxFull is what the error of [Inbox.Enqueue] wraps when the inbox takes nothing more until it has worked off some
// of what it has, or its disk has room again.
var ErrInboxFull = errors.New("webhook: the inbox is full")

// ErrOtherContent is what the error of [Inbox.Enqueue] wraps when d is a duplicate, and the delivery that is there has
// another body. An inbox that no longer has that body cannot notice it.
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
		"ResponseTimeout": int64(c.ResponseTimeout), "CallbackTimeout": int64(c.CallbackTimeout),
	} {
		if n < 0 {
			return c, fmt.Errorf("webhook: Options.%s cannot be negative", name)
		}
		if d := time.Duration(n); d > maxDuration && strings.HasSuffix(name, "Timeout") {
			return c, fmt.Errorf("webhook: Options.%s (%v) must be at most %v", name, d, maxDuration)
		}
	}
	if c.RateLimit < 0 {
		return c, errors.New("webhook: Options.RateLimit cannot be negative")
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
	if c.Unmarshal == nil {
		c.Unmarshal = json.Unmarshal
	}
	switch {
	case c.ReadBudget.size < 4*chunkSize:
		return c, fmt.Errorf("webhook: Options.ReadBudget (%d bytes) must be at least %d bytes", c.ReadBudget.size, 4*chunkSize)
	case c.MaxBody > c.ReadBudget.size/2:
		return c, fmt.Errorf("webhook: Options.ReadBudget (%d bytes) must be at least twice Options.MaxBody (%d bytes)", c.ReadBudget.size, c.MaxBody)
	case c.ResponseTimeout >= p.RespondWithin:
		return c, fmt.Errorf("webhook: Options.ResponseTimeout (%v) must be shorter than the %v that %s waits for an answer",
			c.ResponseTimeout, p.RespondWithin, p.Name)
	case c.Inbox != nil && c.DeadLetter != nil:
		return c, errors.New("webhook: Options.DeadLetter cannot be set together with Inbox, which keeps the dead letters itself")
	}
	return c, nil
}

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
