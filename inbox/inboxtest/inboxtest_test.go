package inboxtest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
)

const lease = 2 * time.Second

func TestRun_PassesCorrectEngine(t *testing.T) {
	Run(t, Options{Open: openMemory(none, lease), Lease: lease, Around: synctest.Test, Serial: true})
}

func TestRun_PassesCorrectEngineInRealTime(t *testing.T) {
	const realLease = 4 * time.Second // long enough for a busy machine to renew it
	Run(t, Options{Open: openMemory(none, realLease), Lease: realLease})
}

// A failureRecorder replaces the test that a rule would fail, and records the failure.
type failureRecorder struct {
	testing.TB

	failure string
}

func (o *failureRecorder) Fatalf(format string, args ...any) {
	o.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// broken tests an engine against rules and returns the failures by rule name.
func broken(t *testing.T, rules []rule, o Options) map[string]string {
	t.Helper()
	o, err := o.withDefaults()
	require.NoError(t, err)
	failures := make(map[string]string)
	for _, r := range rules {
		o.Around(t, func(t *testing.T) {
			recorder := record(t, r, o)
			if recorder.failure != "" {
				require.Contains(t, recorder.failure, r.text)
				failures[r.name] = recorder.failure
			}
		})
	}
	return failures
}

func record(t *testing.T, r rule, o Options) *failureRecorder {
	recorder := &failureRecorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.test(recorder, o)
	}()
	<-done
	return recorder
}

func rulesNamed(names ...string) []rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return !slices.Contains(names, r.name) })
}

func TestRules_HaveBreakingFault(t *testing.T) {
	for _, r := range rules {
		require.Condition(t, func() bool {
			for _, names := range breaks {
				if slices.Contains(names, r.name) {
					return true
				}
			}
			return false
		}, "nothing breaks %s", r.name)
	}
}

func TestRules_HaveNameAndText(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rules {
		require.Regexp(t, `^[A-Z][A-Za-z]+$`, r.name)
		require.Regexp(t, `^[A-Z].*[.]$`, r.text, r.name)
		require.False(t, names[r.name], r.name)
		names[r.name] = true
	}
}

func TestRun_FailsOnSlowMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Options{Open: openMemory(takesInTwoSteps, lease), Lease: 1}.withDefaults()
		require.NoError(t, err)
		recorder := record(t, rulesNamed("ProcessesShareDeliveries")[0], o)
		require.Contains(t, recorder.failure, "too slow for this test")
	})
}

// A memoryWithStore is an engine that has an idempotency store.
type memoryWithStore struct {
	*memory

	store idempotency.Store
}

func (m memoryWithStore) Store() idempotency.Store { return m.store }

func TestRun_SelectsStore(t *testing.T) {
	for name, c := range map[string]struct{ own, given bool }{
		"neither": {}, "the inbox's": {own: true}, "the options'": {given: true}, "both": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			own, err := idempotency.NewMemory(nil)
			require.NoError(t, err)
			given, err := idempotency.NewMemory(nil)
			require.NoError(t, err)
			open := openMemory(none, lease)
			o := Options{Lease: lease, Around: synctest.Test, Open: open}
			if c.own {
				o.Open = func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
					box, closes := open(t, name, p)
					return memoryWithStore{box.(*memory), own}, closes
				}
			}
			if c.given {
				o.Store = func(testing.TB) idempotency.Store { return given }
			}
			require.Empty(t, broken(t, rulesNamed("CompletedKeyIsNotRun"), o))
			require.Equal(t, c.own && !c.given, own.Len() > 0)
			require.Equal(t, c.given, given.Len() > 0)
		})
	}
}

func TestRun_RefusesInvalidOptions(t *testing.T) {
	for _, o := range []Options{
		{},
		{Open: openMemory(none, lease), Lease: -1},
		{Open: openMemory(none, lease), Patience: -1},
	} {
		_, err := o.withDefaults()
		require.ErrorContains(t, err, "inboxtest: Options.")
	}
}
