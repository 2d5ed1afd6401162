package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/lookup"
)

// A directory has every name that begins with "t".
type directory struct {
	calls atomic.Int64
	takes time.Duration
	err   error
}

func (d *directory) find(ctx context.Context, name string) (string, bool, error) {
	d.calls.Add(1)
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	return "value of " + name, name[0] == 't', d.err
}

func (d *directory) cache(limit int) *lookup.Cache[string] {
	return &lookup.Cache[string]{Find: d.find, TTL: time.Minute, Max: limit}
}

func get(t *testing.T, c *lookup.Cache[string], name string) bool {
	t.Helper()
	value, known, err := c.Get(t.Context(), name)
	require.NoError(t, err)
	if known {
		require.Equal(t, "value of "+name, value)
	}
	return known
}

func TestCache_KeepsResultsForTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		c := d.cache(10)
		for n := range int64(3) {
			for range 5 {
				require.True(t, get(t, c, "t1"))
				require.False(t, get(t, c, "unknown"))
			}
			require.Equal(t, 2*(n+1), d.calls.Load())
			time.Sleep(time.Minute)
		}
	})
}

func TestCache_SharesOneLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{takes: time.Second}
		c := d.cache(10)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { require.True(t, get(t, c, "t1")) })
		}
		all.Wait()
		require.EqualValues(t, 1, d.calls.Load())
	})
}

// The request that began a lookup may end first.
func TestCache_GoesOnForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{takes: time.Second}
		c := d.cache(10)
		first, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		go func() {
			time.Sleep(time.Millisecond)
			cancel()
		}()
		_, _, err := c.Get(first, "t1")
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, get(t, c, "t1"))
		require.EqualValues(t, 1, d.calls.Load())
	})
}

func TestCache_EndsSlowLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{takes: time.Hour}
		c := d.cache(10)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, _, err := c.Get(ctx, "t1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		began := time.Now()
		_, _, err = c.Get(t.Context(), "t1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(began), 5*time.Second, "without a deadline of the caller")
		synctest.Wait() // nothing goes on
	})
}

func TestCache_KeepsNoErrors(t *testing.T) {
	d := &directory{err: errors.New("the directory is down")}
	c := d.cache(10)
	for range 3 {
		_, known, err := c.Get(t.Context(), "t1")
		require.ErrorIs(t, err, d.err)
		require.False(t, known)
	}
	d.err = nil
	require.True(t, get(t, c, "t1"))
	require.EqualValues(t, 4, d.calls.Load())
}

func TestCache_SurvivesPanicAndGoexit(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		fail := true
		c := &lookup.Cache[string]{TTL: time.Minute, Max: 1, Find: func(context.Context, string) (string, bool, error) {
			if fail {
				end()
			}
			return "value of t1", true, nil
		}}
		_, _, err := c.Get(t.Context(), "t1")
		require.Error(t, err, name)
		fail = false
		require.True(t, get(t, c, "t1"))
	}
}

// Invented names displace no known ones.
func TestCache_BoundsMemory(t *testing.T) {
	d := &directory{}
	c := d.cache(10)
	require.True(t, get(t, c, "t1"))
	for i := range 1000 {
		require.False(t, get(t, c, fmt.Sprint("invented ", i)))
	}
	require.True(t, get(t, c, "t1"))
	require.EqualValues(t, 1001, d.calls.Load())
	known, unknown := c.Size()
	require.Equal(t, 1, known)
	require.Equal(t, 10, unknown)
	for i := range 1000 {
		require.True(t, get(t, c, fmt.Sprint("t", i)))
	}
	known, _ = c.Size()
	require.Equal(t, 10, known)
}

// A name that was unknown becomes known, and the reverse.
func TestCache_ForgetsFormerResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exists := false
		c := &lookup.Cache[string]{TTL: time.Minute, Max: 10, Find: func(context.Context, string) (string, bool, error) { return "value of x", exists, nil }}
		for _, exists = range []bool{false, true, false, true} {
			require.Equal(t, exists, get(t, c, "x"))
			known, unknown := c.Size()
			require.Equal(t, 1, known+unknown)
			time.Sleep(time.Minute)
		}
	})
}

func TestCache_BoundsLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{takes: time.Second}
		c := d.cache(1000)
		var busy atomic.Int64
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if _, _, err := c.Get(t.Context(), fmt.Sprint("t", i)); err != nil {
					require.ErrorIs(t, err, lookup.ErrBusy)
					busy.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 52, busy.Load(), "16 slots are for known names")
		require.EqualValues(t, 48, d.calls.Load())
		require.True(t, get(t, c, "t99999"))

		for i := range 48 {
			require.True(t, get(t, c, fmt.Sprint("t", 100+i)))
		}
		time.Sleep(time.Minute)
		before := d.calls.Load()
		for i := range 48 {
			all.Go(func() { _, _, _ = c.Get(t.Context(), fmt.Sprint("t", 100+i)) })
			all.Go(func() { _, _, _ = c.Get(t.Context(), fmt.Sprint("t", 200+i)) })
		}
		all.Wait()
		require.LessOrEqual(t, d.calls.Load()-before, int64(64), "known names have a limit too")
	})
}

// A request that arrived late has little time left. It must not fail the requests that wait for its lookup.
func TestCache_OutlivesDeadlineOfFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{takes: time.Second / 2}
		c := d.cache(10)
		hurried, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			_, _, err := c.Get(hurried, "t1")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		require.True(t, get(t, c, "t1"))
		all.Wait()
		require.EqualValues(t, 1, d.calls.Load())
	})
}

// A server may use the memory of a header again, while the lookup goes on and after it.
func TestCache_KeepsCopyOfName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan string, 2)
		c := &lookup.Cache[string]{TTL: time.Minute, Max: 10, Find: func(_ context.Context, name string) (string, bool, error) {
			time.Sleep(time.Second)
			asked <- name
			return "value of " + name, true, nil
		}}
		memory := []byte("t1")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _, err := c.Get(ctx, unsafe.String(&memory[0], len(memory)))
			if errors.Is(err, context.Canceled) {
				copy(memory, "t2")
			}
		}()
		synctest.Wait()
		cancel()
		time.Sleep(time.Minute)
		require.Equal(t, "t1", <-asked)
		require.True(t, get(t, c, "t1"))
		require.True(t, get(t, c, "t2"))
	})
}

// Names that anyone can invent must not keep the results for known names from being renewed.
func TestCache_RenewsKnownDespiteInvented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		c := d.cache(1000)
		require.True(t, get(t, c, "t1"))
		time.Sleep(time.Minute)
		d.err = errors.New("the directory is down")
		_, _, err := c.Get(t.Context(), "t1")
		require.ErrorIs(t, err, d.err, "a failure does not change that the name was known")

		d.err, d.takes = nil, time.Second
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { _, _, _ = c.Get(t.Context(), fmt.Sprint("invented ", i)) })
		}
		synctest.Wait()
		require.True(t, get(t, c, "t1"))
		all.Wait()
	})
}
