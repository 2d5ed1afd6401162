package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// inBatches returns a store whose statements each wait until the test lets them pass. Each test also checks that no
// goroutine is left, because a bubble fails then.
func inBatches(t *testing.T, script ...any) (*scripted, *sqlstore.Store, chan struct{}) {
	t.Helper()
	s := &scripted{script: script, end: io.EOF}
	db := sql.OpenDB(s)
	t.Cleanup(func() { db.Close() })
	pass := make(chan struct{})
	run := func(ctx context.Context, f func(sqlstore.Conn) error) error {
		select {
		case <-pass:
			return f(db)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	store, err := sqlstore.NewOn(run, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
	require.NoError(t, err)
	return s, store, pass
}

type outcome struct {
	claim idempotency.Claim
	err   error
}

// claim claims a key on another goroutine, and returns when the claim waits.
func claim(ctx context.Context, store *sqlstore.Store, key string) <-chan outcome {
	claimed := make(chan outcome, 1)
	go func() {
		c, err := store.Claim(ctx, key, idempotency.NewToken(), time.Minute)
		claimed <- outcome{c, err}
	}()
	synctest.Wait()
	return claimed
}

var first = outcome{claim: idempotency.Claim{State: idempotency.Acquired, Attempt: 1}}

func TestCallsThatComeWhileAStatementIsUnderWayShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, pass := inBatches(t, rows{"a"}, rows{"b", "c", "d"})
		a := claim(t.Context(), store, "a")
		b, c, d := claim(t.Context(), store, "b"), claim(t.Context(), store, "c"), claim(t.Context(), store, "d")
		pass <- struct{}{}
		require.Equal(t, first, <-a, "it does not wait for others")
		pass <- struct{}{}
		require.Equal(t, []outcome{first, first, first}, []outcome{<-b, <-c, <-d})
		require.Equal(t, 2, s.asked)
	})
	synctest.Test(t, func(t *testing.T) {
		s, store, pass := inBatches(t, rows{"a"}, rows{"b", "c"})
		done := make(chan error, 3)
		for _, key := range []string{"a", "b", "c"} {
			go func() { done <- store.Complete(t.Context(), key, idempotency.Token{}) }()
			synctest.Wait()
		}
		pass <- struct{}{}
		pass <- struct{}{}
		require.NoError(t, errors.Join(<-done, <-done, <-done))
		require.Equal(t, 2, s.asked)
	})
}

func TestABatchHasNoMoreThan128Calls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys rows
		for i := range 130 {
			keys = append(keys, fmt.Sprint(i))
		}
		s, store, pass := inBatches(t, rows{"a"}, keys[:128], keys[128:])
		done := make(chan error, len(keys)+1)
		for _, key := range append(rows{"a"}, keys...) {
			go func() { done <- store.Complete(t.Context(), key.(string), idempotency.Token{}) }()
			synctest.Wait()
		}
		for range 3 {
			pass <- struct{}{}
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.Equal(t, 3, s.asked)
		require.Equal(t, `{"128","129"}`, s.keys)
	})
}

func TestABatchThatEndsLateBeginsNoneBesideTheOneUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []any{rows{"a"}, rows{"b"}, rows{"c"}}, end: io.EOF}
		db := sql.OpenDB(s)
		defer db.Close()
		gates, n := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}, 0
		store, err := sqlstore.NewOn(func(_ context.Context, f func(sqlstore.Conn) error) error {
			n++
			<-gates[n-1]
			return f(db)
		}, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
		require.NoError(t, err)
		a := claim(t.Context(), store, "a")
		time.Sleep(150 * time.Millisecond) // longer than slowBatch
		b, c := claim(t.Context(), store, "b"), claim(t.Context(), store, "c")
		require.Equal(t, 2, n, "c waits")
		close(gates[0])
		require.Equal(t, first, <-a)
		synctest.Wait()
		require.Equal(t, 2, n, "c waits for b")
		close(gates[1])
		close(gates[2])
		require.Equal(t, []outcome{first, first}, []outcome{<-b, <-c})
	})
}

func TestABatchThatTheDatabaseRefusedIsDoneOneByOne(t *testing.T) {
	for _, refusal := range []error{pgError("40P01"), pgError("40001"), pgError("22P05"), pgError("57014")} {
		synctest.Test(t, func(t *testing.T) {
			s, store, pass := inBatches(t, refusal, rows{int64(1)}, refusal, rows{int64(1)})
			close(pass)
			require.Equal(t, first, <-claim(t.Context(), store, "a"))
			require.NoError(t, store.Complete(t.Context(), "a", idempotency.Token{}))
			require.Equal(t, 4, s.asked)
		})
	}
}

func TestABatchOfWhichNobodyKnowsIsAnErrorAndNotDoneAgain(t *testing.T) {
	for _, trouble := range []error{errors.New("connection reset by peer"), pgError("57P01"), pgError("08006"), pgError("40003")} {
		synctest.Test(t, func(t *testing.T) {
			s, store, pass := inBatches(t, trouble)
			close(pass)
			require.ErrorIs(t, (<-claim(t.Context(), store, "a")).err, trouble)
			require.ErrorIs(t, store.Complete(t.Context(), "a", idempotency.Token{}), trouble)
			require.Equal(t, 2, s.asked)
		})
	}
}

func TestAPanicUnderABatchIsAnErrorOfItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlstore.NewOn(func(context.Context, func(sqlstore.Conn) error) error { panic("the driver's") },
			&sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
		require.NoError(t, err)
		for range 2 { // the next call is not blocked
			require.ErrorContains(t, (<-claim(t.Context(), store, "a")).err, "panicked: the driver's")
			require.ErrorContains(t, store.Complete(t.Context(), "a", idempotency.Token{}), "panicked: the driver's")
		}
	})
}

func TestAPanicUnderAReleaseOfABatchEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []any{rows{"a", "b"}}, end: io.EOF}
		db := sql.OpenDB(s)
		defer db.Close()
		pass, n := make(chan struct{}), 0
		store, err := sqlstore.NewOn(func(_ context.Context, f func(sqlstore.Conn) error) error {
			if n++; n > 2 {
				panic("the driver's")
			}
			<-pass
			return f(db)
		}, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
		require.NoError(t, err)
		x := claim(t.Context(), store, "a")
		ctx, cancel := context.WithCancel(t.Context())
		a, b := claim(ctx, store, "a"), claim(t.Context(), store, "b")
		pass <- struct{}{}
		<-x
		synctest.Wait()
		cancel()
		require.ErrorIs(t, (<-a).err, context.Canceled)
		pass <- struct{}{}
		require.Equal(t, first, <-b)
		synctest.Wait()
		require.Equal(t, 3, n, "the release")
	})
}

func TestABatchEndsOnceNobodyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, pass := inBatches(t, rows{"x"}, rows{"c"})
		ctx, cancel := context.WithCancel(t.Context())
		x := claim(ctx, store, "x")
		queued, leave := context.WithCancel(t.Context())
		b := claim(queued, store, "b")
		c := claim(t.Context(), store, "c")
		leave()
		require.ErrorIs(t, (<-b).err, context.Canceled)
		cancel()
		require.ErrorIs(t, (<-x).err, context.Canceled)
		s.script = s.script[1:] // the result for x ends with it
		pass <- struct{}{}
		require.Equal(t, first, <-c)
		require.Equal(t, 1, s.asked)
		require.Equal(t, `{"c"}`, s.keys, "the batch does not include b")
		require.ErrorIs(t, (<-claim(ctx, store, "c")).err, context.Canceled)
		require.Equal(t, 1, s.asked)
	})
}

func TestAClaimThatIsMadeForACallerWhoHasGoneIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, pass := inBatches(t, rows{"x"}, rows{"a", "b"}, rows{int64(1)})
		x := claim(t.Context(), store, "x")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		a, b := claim(ctx, store, "a"), claim(t.Context(), store, "b")
		pass <- struct{}{}
		require.Equal(t, first, <-x)
		began := time.Now()
		require.ErrorIs(t, (<-a).err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(began), 10*time.Millisecond, "the batch is already running")
		pass <- struct{}{}
		require.Equal(t, first, <-b)
		require.Equal(t, 2, s.asked)
		pass <- struct{}{}
		synctest.Wait()
		require.Equal(t, 3, s.asked, "the release")
	})
}

func TestABatchThatTakesLongHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []any{rows{"b"}, rows{"a"}}, end: io.EOF}
		db := sql.OpenDB(s)
		defer db.Close()
		hang, n := make(chan struct{}), 0
		store, err := sqlstore.NewOn(func(_ context.Context, f func(sqlstore.Conn) error) error {
			if n++; n == 1 {
				<-hang
			}
			return f(db)
		}, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
		require.NoError(t, err)
		a := claim(t.Context(), store, "a")
		began := time.Now()
		require.Equal(t, first, <-claim(t.Context(), store, "b"))
		require.LessOrEqual(t, time.Since(began), 100*time.Millisecond)
		close(hang)
		require.Equal(t, first, <-a)
	})
}
