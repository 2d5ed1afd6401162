package keysource

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
	"github.com/aihooks/aihooks-go/signature"
)

// Options configure [Watch]. The zero value of each field selects its default.
type Options struct {
	// Interval is the time between two reads. Defaults to 10 s.
	Interval time.Duration

	// Timeout is the maximum time for one read. Defaults to 5 s.
	Timeout time.Duration

	// Logger gets a Warning when reads begin to fail, an Info line when they succeed again, and an Info line with the names of
	// the keys when they were exchanged. Defaults to slog.Default().
	Logger *slog.Logger

	// Observer, if set, is called after each read. It must return quickly. A panic has no effect.
	Observer func(ctx context.Context, o Observation)
}

const (
	defaultInterval = 10 * time.Second
	defaultTimeout  = 5 * time.Second
)

// An Observation reports one read.
type Observation struct {
	// Names are the names of the keys that were set last, sorted. They are not secret.
	Names []string

	// Changed reports that this read has changed the keys. It is set for the first successful read.
	Changed bool

	// Err is why the read failed, or why the keys were refused. Then the last keys stay live.
	Err error
}

// Watch reads the source at once and then at every interval, until ctx ends. It calls set with the keys of the first read, and
// again when a name, a secret or a lifetime has changed. Usually, set is the method SetKeys of a handler. For
// EmberQA, it is a function that calls SetCredentials. The keys are sorted by name.
//
// If a read fails, panics or takes too long, or if set returns an error, the last keys stay live, and Watch tries again after
// the interval. While a read hangs, Watch starts no other.
//
// Watch reads instead of waiting for events of the file system, because it then works the same for replaced links, network
// file systems and secrets managers. A nil o means the defaults.
func Watch(ctx context.Context, source Source, set func(...signature.Key) error, o *Options) {
	w := watch{source: source, set: set}
	if o != nil {
		w.options = *o
	}
	if w.options.Interval <= 0 {
		w.options.Interval = defaultInterval
	}
	if w.options.Timeout <= 0 {
		w.options.Timeout = defaultTimeout
	}
	w.options.Logger = cmp.Or(w.options.Logger, slog.Default())
	ticker := time.NewTicker(w.options.Interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		w.step(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

type watch struct {
	source  Source
	set     func(...signature.Key) error
	options Options
	reads   deadline.Single
	last    []signature.Key // those set last, sorted by name
	failing bool
}

// step reads the keys once, and sets them if they have changed.
func (w *watch) step(ctx context.Context) {
	keys, err := w.read(ctx)
	if ctx.Err() != nil {
		return // err may be that of ctx, which is no failure
	}
	changed := err == nil && !same(w.last, keys)
	if changed {
		if err = w.exchange(keys); err == nil {
			w.last = keys
		}
	}
	o := Observation{Changed: changed && err == nil, Err: err}
	for _, k := range w.last {
		o.Names = append(o.Names, k.Name)
	}
	w.log(ctx, &o)
	if w.options.Observer != nil {
		defer func() { _ = recover() }()
		w.options.Observer(ctx, o)
	}
}

// read returns the keys of the source, sorted by name: the order of a source may be random.
func (w *watch) read(ctx context.Context) ([]signature.Key, error) {
	read := make(chan []signature.Key, 1) // a read that returns too late must not write to a variable
	err := w.reads.Call(ctx, w.options.Timeout, func(ctx context.Context) error {
		keys, err := w.source.Keys(ctx)
		read <- keys
		return err
	})
	if err != nil {
		return nil, err
	}
	keys := slices.Clone(<-read)
	if len(keys) == 0 {
		return nil, errors.New("keysource: the source has no keys")
	}
	slices.SortStableFunc(keys, func(a, b signature.Key) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}

// exchange returns a panic of set as an error.
func (w *watch) exchange(keys []signature.Key) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.set(keys...)
}

func (w *watch) log(ctx context.Context, o *Observation) {
	logger := w.options.Logger
	if failed := o.Err != nil; failed != w.failing {
		w.failing = failed
		if failed {
			logger.WarnContext(ctx, "keysource: the signing keys cannot be read or set; the last ones stay live; check the source", "error", o.Err)
		} else {
			logger.InfoContext(ctx, "keysource: the signing keys can be read and set again")
		}
	}
	if o.Changed {
		logger.InfoContext(ctx, "keysource: the signing keys were set", "key_names", o.Names)
	}
}

// same reports whether two lists have the same keys in the same order. It compares secrets in constant time.
func same(a, b []signature.Key) bool {
	return slices.EqualFunc(a, b, func(a, b signature.Key) bool {
		secrets := subtle.ConstantTimeCompare([]byte(a.Secret.Reveal()), []byte(b.Secret.Reveal()))
		return secrets == 1 && a.Name == b.Name && a.NotBefore.Equal(b.NotBefore) && a.NotAfter.Equal(b.NotAfter)
	})
}
