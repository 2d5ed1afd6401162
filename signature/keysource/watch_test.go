package keysource_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/keysource"
	"github.com/aihooks/aihooks-go/webhook"
)

// A watched is a source that a test changes, and what Watch made of it.
type watched struct {
	mu      sync.Mutex
	source  func(ctx context.Context) ([]signature.Key, error)
	set     func(keys []signature.Key) error
	started int // reads
	sets    [][]string
	seen    []keysource.Observation
	log     logtest.LogBuffer
}

const (
	interval = 10 * time.Second
	timeout  = 5 * time.Second
)

// watch starts Watch in a bubble, and waits for the first read. The test ends it.
func watch(t *testing.T, keys ...signature.Key) *watched {
	w := &watched{}
	w.returns(keys...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keysource.Watch(ctx, keysource.SourceFunc(w.read), w.exchange, &keysource.Options{
			Logger: w.log.Text(),
			Observer: func(_ context.Context, o keysource.Observation) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.seen = append(w.seen, o)
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		require.NotContains(t, w.log.String(), "secret-")
	})
	synctest.Wait()
	return w
}

func (w *watched) read(ctx context.Context) ([]signature.Key, error) {
	w.mu.Lock()
	w.started++
	source := w.source
	w.mu.Unlock()
	return source(ctx)
}

func (w *watched) exchange(keys ...signature.Key) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set != nil {
		if err := w.set(keys); err != nil {
			return err
		}
	}
	w.sets = append(w.sets, revealed(keys))
	return nil
}

// does changes the source.
func (w *watched) does(source func(ctx context.Context) ([]signature.Key, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = source
}

func (w *watched) returns(keys ...signature.Key) {
	w.does(func(context.Context) ([]signature.Key, error) { return keys, nil })
}

// next waits for the next read.
func (w *watched) next() { w.wait(interval) }

func (w *watched) wait(d time.Duration) {
	w.mu.Lock()   // what the test did with w happens before what Watch does next
	w.mu.Unlock() //nolint:staticcheck // the section is empty on purpose
	time.Sleep(d)
	synctest.Wait()
}

func (w *watched) last() keysource.Observation { return w.seen[len(w.seen)-1] }

const (
	failed  = "level=WARN"
	again   = "can be read and set again"
	changed = "the signing keys were set"
)

func key(name string) signature.Key { return signature.NewKey(name, "secret-"+name) }

func TestWatch_SetsOnlyChangedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, key("b"), key("a"))
		require.Equal(t, [][]string{{"a=secret-a", "b=secret-b"}}, w.sets, "the first read is at once")
		require.Equal(t, keysource.Observation{Names: []string{"a", "b"}, Changed: true}, w.last())
		w.returns(key("a"), key("b"))
		w.next()
		require.Len(t, w.sets, 1, "the order does not matter")
		require.Equal(t, keysource.Observation{Names: []string{"a", "b"}}, w.last())

		until := time.Now().Add(time.Hour)
		expiring := key("a")
		expiring.NotAfter = until
		starting := expiring
		starting.NotBefore = until.Add(-time.Hour)
		for i, keys := range [][]signature.Key{
			{key("a")}, {key("c")}, {signature.NewKey("renamed", "secret-c")}, {signature.NewKey("c", "secret-C")}, {expiring}, {starting}, {key("a")},
		} {
			w.returns(keys...)
			w.next()
			require.Len(t, w.sets, i+2)
			require.Equal(t, revealed(keys), w.sets[i+1])
			w.next()
			require.Len(t, w.sets, i+2)
		}
		elsewhere := expiring
		elsewhere.NotAfter = until.In(time.FixedZone("", 3600))
		w.returns(expiring)
		w.next()
		w.returns(elsewhere)
		w.next()
		require.Len(t, w.sets, 9, "the zone of a time does not matter")
		require.Equal(t, 9, w.log.Count(changed))
		require.Len(t, w.log.Lines(), 9)
		require.Equal(t, 1, w.log.Count(`key_names="[a b]"`))
	})
}

func TestWatch_ReadsAtInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := watch(t, key("a"))
		w.wait(time.Hour)
		require.Len(t, w.seen, 1+int(time.Since(start)/interval))

		reads := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		keysource.Watch(ctx, keysource.SourceFunc(func(ctx context.Context) ([]signature.Key, error) {
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.LessOrEqual(t, time.Until(end), 3*time.Second)
			reads++
			return []signature.Key{key("a")}, nil
		}), func(...signature.Key) error { return nil }, &keysource.Options{
			Interval: 7 * time.Second, Timeout: 3 * time.Second, Logger: slog.New(slog.DiscardHandler),
			Observer: func(context.Context, keysource.Observation) { panic("no effect") },
		})
		require.Equal(t, 9, reads)
	})
}

func TestWatch_KeepsKeysWhileReadFails(t *testing.T) {
	unavailable := errors.New("the manager is unavailable")
	for name, source := range map[string]func(context.Context) ([]signature.Key, error){
		"error":          func(context.Context) ([]signature.Key, error) { return nil, unavailable },
		"error and keys": func(context.Context) ([]signature.Key, error) { return []signature.Key{key("x")}, unavailable },
		"panic":          func(context.Context) ([]signature.Key, error) { panic(unavailable) },
		"no keys":        func(context.Context) ([]signature.Key, error) { return nil, nil },
		"until timeout": func(ctx context.Context) ([]signature.Key, error) {
			<-ctx.Done()
			return []signature.Key{key("x")}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, key("a"))
				w.does(source)
				for range 5 {
					w.next()
				}
				w.wait(timeout) // for the last read
				require.Len(t, w.seen, 6)
				require.Error(t, w.last().Err)
				require.False(t, w.last().Changed)
				require.Equal(t, []string{"a"}, w.last().Names)
				require.Equal(t, 1, w.log.Count(failed))
				require.Equal(t, 0, w.log.Count(again))

				w.returns(key("a"))
				w.next()
				require.NoError(t, w.last().Err)
				require.False(t, w.last().Changed)
				require.Equal(t, 1, w.log.Count(again, "level=INFO"))
				require.Len(t, w.sets, 1, "the keys have not changed")

				w.does(source)
				w.next()
				w.wait(timeout)
				w.returns(key("b"))
				w.next()
				require.Equal(t, []string{"b=secret-b"}, w.sets[1])
				require.Equal(t, 2, w.log.Count(failed))
				require.Equal(t, 2, w.log.Count(again))
			})
		})
	}
}

func TestWatch_ContinuesWhenFirstReadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		require.Empty(t, w.sets)
		require.Equal(t, 1, w.log.Count(failed, "the source has no keys"))
		w.returns(key("a"))
		w.next()
		require.Equal(t, [][]string{{"a=secret-a"}}, w.sets)
	})
}

// A source that ignores its context must neither stop Watch nor leave a goroutine for each interval.
func TestWatch_StartsNoReadWhileOneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, key("a"))
		release := make(chan struct{})
		w.does(func(context.Context) ([]signature.Key, error) {
			<-release
			return []signature.Key{key("late")}, nil
		})
		for range 10 {
			w.next()
		}
		require.Equal(t, 2, w.started)
		require.Len(t, w.seen, 11, "each interval has an observation")
		require.ErrorIs(t, w.last().Err, context.DeadlineExceeded)
		require.Equal(t, 1, w.log.Count(failed))

		w.returns(key("b"))
		close(release)
		w.next()
		require.Equal(t, [][]string{{"a=secret-a"}, {"b=secret-b"}}, w.sets, "a result after the timeout is not used")
		require.Equal(t, 1, w.log.Count(again))
	})
}

func TestWatch_KeepsKeysThatSetRefuses(t *testing.T) {
	for name, refuse := range map[string]func() error{
		"error": func() error { return errors.New("refused") },
		"panic": func() error { panic("refused") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, key("a"))
				w.set = func([]signature.Key) error { return refuse() }
				w.returns(key("b"))
				w.next()
				w.next()
				require.ErrorContains(t, w.last().Err, "refused")
				require.False(t, w.last().Changed)
				require.Equal(t, []string{"a"}, w.last().Names)
				require.Equal(t, 1, w.log.Count(failed, "refused"))
				w.set = nil
				w.next()
				require.Equal(t, [][]string{{"a=secret-a"}, {"b=secret-b"}}, w.sets, "it is tried again")
				require.Equal(t, keysource.Observation{Names: []string{"b"}, Changed: true}, w.last())
				require.Equal(t, 1, w.log.Count(again))
			})
		})
	}
}

func TestWatch_EndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log logtest.LogBuffer
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		keysource.Watch(ctx, keysource.SourceFunc(func(context.Context) ([]signature.Key, error) {
			time.Sleep(time.Minute) // ignores its context
			return []signature.Key{key("a")}, nil
		}), func(...signature.Key) error { t.Error("set"); return nil }, &keysource.Options{Logger: log.Text(), Timeout: time.Hour})
		require.Equal(t, time.Second, time.Since(start))
		require.Empty(t, log.String(), "the end is not a failure")
		keysource.Watch(ctx, keysource.SourceFunc(func(context.Context) ([]signature.Key, error) {
			t.Error("read")
			return nil, nil
		}), nil, nil)
		time.Sleep(time.Minute)
	})
}

// A service's keys are in a volume of Kubernetes, which changes while the service receives deliveries.
func TestWatch_RotatesFromKubernetesVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.LogBuffer
		m := &mount{t: t, folder: t.TempDir()}
		m.swap(map[string]string{"2025-11": "the old secret\n"})
		source := keysource.Dir(m.folder)
		keys, err := source.Keys(t.Context())
		require.NoError(t, err)
		signedBy := make(map[string]bool)
		hook, err := convosphere.Config{Keys: keys}.NewHandler(&webhook.Options{
			Logger:   slog.New(slog.DiscardHandler),
			Observer: func(_ context.Context, o webhook.Observation) { signedBy[o.SignedBy] = true },
		})
		require.NoError(t, err)
		hook.OnMessageCreated(func(context.Context, *convosphere.MessageCreated) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go keysource.Watch(ctx, source, hook.SetKeys, &keysource.Options{Logger: log.Text()})
		synctest.Wait()

		sender := convospheretest.NewSender(t, hook, "the old secret")
		old, renewed := sender, sender.WithSecret("the new secret")
		want := func(oldStatus, newStatus int) {
			t.Helper()
			old.Send(old.Sample(convosphere.TypeMessageCreated)).Want(oldStatus)
			renewed.Send(renewed.Sample(convosphere.TypeMessageCreated)).Want(newStatus)
		}
		want(200, 401)
		m.swap(map[string]string{"2025-11": "the old secret\n", "2026-11": "the new secret\r\n"})
		want(200, 401)
		time.Sleep(interval)
		synctest.Wait()
		want(200, 200)

		for _, broken := range []map[string]string{{"2026-11": ""}, {"2026-11": "\n", "2025-11": "x"}, {}} {
			m.swap(broken)
			time.Sleep(interval)
			synctest.Wait()
			want(200, 200)
		}
		require.NoError(t, os.Remove(filepath.Join(m.folder, "..data")))
		time.Sleep(interval)
		synctest.Wait()
		want(200, 200)
		require.Equal(t, 1, log.Count(failed))

		m.swap(map[string]string{"2026-11": "the new secret"})
		time.Sleep(interval)
		synctest.Wait()
		want(401, 200)
		require.Equal(t, 1, log.Count(again))
		require.NotContains(t, log.String(), "new secret")
		require.Equal(t, map[string]bool{"2025-11": true, "2026-11": true, "": true}, signedBy)
	})
}

// A file may be missing or incomplete for a while. The last keys stay live.
func TestWatch_KeepsKeysOfUnusableFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		write(path, "secret-1")
		w := watch(t, key("unused"))
		w.does(keysource.File(path).Keys)
		w.next()
		require.Equal(t, []string{"key=secret-1"}, w.sets[1])
		write(path, "") // half-written
		w.next()
		require.ErrorContains(t, w.last().Err, "blank")
		require.NoError(t, os.Remove(path))
		w.next()
		require.ErrorIs(t, w.last().Err, os.ErrNotExist)
		require.NoError(t, os.Mkdir(path, 0o700))
		w.next()
		require.ErrorContains(t, w.last().Err, "regular file")
		require.Len(t, w.sets, 2)
		require.NoError(t, os.Remove(path))
		write(path, "secret-1\n")
		w.next()
		require.NoError(t, w.last().Err)
		require.Len(t, w.sets, 2, "the line break is not part of the secret")
		write(path, "secret-2\n")
		w.next()
		require.Equal(t, []string{"key=secret-2"}, w.sets[2])
		require.Equal(t, 1, w.log.Count(failed))
		require.Equal(t, 1, w.log.Count(again))
	})
}
