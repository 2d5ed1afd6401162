//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

func claim(t testing.TB, s idempotency.Store, key string, want idempotency.State) idempotency.Token {
	t.Helper()
	token := idempotency.NewToken()
	got, err := s.Claim(t.Context(), key, token, time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, got.State)
	return token
}

func TestNew_NamesInvalidOption(t *testing.T) {
	client := connect(t, shared.Addr())
	_, err := redisstore.New(nil, &redisstore.Options{Namespace: "service"})
	require.EqualError(t, err, "redisstore: New: the client must not be nil")
	for _, bad := range []string{"", "a:b", "a b", "ä", "a\n", strings.Repeat("x", 65)} {
		_, err = redisstore.New(client, &redisstore.Options{Namespace: bad})
		require.ErrorContains(t, err, "must be 1 to 64 letters")
	}
	_, err = redisstore.New(client, &redisstore.Options{Namespace: "service", Retention: -1})
	require.EqualError(t, err, "redisstore: Options.Retention (-1ns) must not be negative")
	require.Equal(t, 7*24*time.Hour, newStore(t, client, redisstore.Options{}).Retention())
}

func TestNamespace_SeparatesKeys(t *testing.T) {
	client := connect(t, shared.Addr())
	a := newStore(t, client, redisstore.Options{Namespace: namespace(t)})
	b := newStore(t, client, redisstore.Options{Namespace: namespace(t)})
	require.NoError(t, a.Complete(t.Context(), "key", claim(t, a, "key", idempotency.Acquired)))
	claim(t, b, "key", idempotency.Acquired)
	claim(t, a, "key", idempotency.Completed)
}

func TestStore_ExpiresKeys(t *testing.T) {
	client := connect(t, shared.Addr())
	s := newStore(t, client, redisstore.Options{Namespace: "seen/" + namespace(t)[:8], Retention: time.Hour})
	keys := func() string {
		list, err := client.Keys(t.Context(), "seen/*").Result()
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0]
	}
	expect := func(d time.Duration) {
		ttl, err := client.PTTL(t.Context(), keys()).Result()
		require.NoError(t, err)
		require.InDelta(t, d, ttl, float64(20*time.Second))
	}
	token := claim(t, s, "key", idempotency.Acquired)
	require.True(t, strings.HasSuffix(keys(), ":key"))
	expect(time.Hour + time.Minute)
	require.NoError(t, s.Release(t.Context(), "key", token))
	expect(time.Hour)
	token = claim(t, s, "key", idempotency.Acquired)
	require.NoError(t, s.Complete(t.Context(), "key", token))
	expect(time.Hour)
	row, err := client.HGetAll(t.Context(), keys()).Result()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"state": "done", "token": string(token[:])}, row)
	require.NoError(t, client.Del(t.Context(), keys()).Err())
}

func TestClaim_RoundsLeaseUpToMilliseconds(t *testing.T) {
	client := connect(t, shared.Addr())
	name := namespace(t)
	s := newStore(t, client, redisstore.Options{Namespace: name})
	for n := range 50 {
		key, lease := fmt.Sprint(n), time.Duration(n+1)*100*time.Microsecond
		before, err := client.Time(t.Context()).Result()
		require.NoError(t, err)
		_, err = s.Claim(t.Context(), key, idempotency.NewToken(), lease)
		require.NoError(t, err)
		until, err := client.HGet(t.Context(), name+":"+key, "until").Int64()
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.UnixMilli(until).Sub(before), lease)
	}
}

func TestStore_AcceptsEndlessTimes(t *testing.T) {
	s := newStore(t, connect(t, shared.Addr()), redisstore.Options{Retention: math.MaxInt64})
	got, err := s.Claim(t.Context(), "key", idempotency.NewToken(), math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, idempotency.Acquired, got.State)
	claim(t, s, "key", idempotency.InFlight)
	require.NoError(t, s.Complete(t.Context(), "done", claim(t, s, "done", idempotency.Acquired)))
	claim(t, s, "done", idempotency.Completed)
}

func TestStore_ComparesTokensByByte(t *testing.T) {
	s := newStore(t, connect(t, shared.Addr()), redisstore.Options{})
	for key, token := range map[string]idempotency.Token{
		"zero": {}, "newline": {15: '\n'}, "high": {0: 0xff, 15: 0x80}, "digits": idempotency.Token([]byte("0000000000000001")),
	} {
		got, err := s.Claim(t.Context(), key, token, time.Minute)
		require.NoError(t, err)
		require.Equal(t, idempotency.Acquired, got.State)
		for i := range token {
			other := token
			other[i] ^= 1
			require.ErrorIs(t, s.Complete(t.Context(), key, other), idempotency.ErrLeaseLost)
		}
		require.NoError(t, s.Complete(t.Context(), key, token))
	}
}

func TestStore_ResendsForgottenScripts(t *testing.T) {
	server := redistest.New(t)
	s := newStore(t, connect(t, server.Addr()), redisstore.Options{})
	forget := map[string]func(){
		"flush": func() {
			_, err := server.Do("SCRIPT", "FLUSH")
			require.NoError(t, err)
		},
		"restart": func() { server.Stop(); server.Start(t) },
	}
	for name, forget := range forget {
		token := claim(t, s, name, idempotency.Acquired)
		forget()
		claim(t, s, name, idempotency.InFlight)
		forget()
		require.NoError(t, s.Complete(t.Context(), name, token))
		forget()
		require.NoError(t, s.Release(t.Context(), name, token))
		claim(t, s, name, idempotency.Completed)
	}
}

// go-redis sends a command again if its reply was lost.
func TestClaim_RepeatsResultAfterLostResponse(t *testing.T) {
	server := redistest.New(t)
	proxy := redistest.NewProxy(t, server)
	s := newStore(t, connect(t, proxy.Addr()), redisstore.Options{})
	claim(t, s, "warm", idempotency.Acquired)
	proxy.LoseAnswers(1)
	token := claim(t, s, "key", idempotency.Acquired)
	got, err := s.Claim(t.Context(), "key", token, time.Minute)
	require.NoError(t, err)
	require.Equal(t, idempotency.InFlight, got.State, "a new call is not the same call, even under the same token")

	proxy.LoseAnswers(1)
	require.NoError(t, s.Complete(t.Context(), "key", token))
	proxy.LoseAnswers(1)
	require.NoError(t, s.Release(t.Context(), "key", token))
	proxy.LoseAnswers(1)
	claim(t, s, "key", idempotency.Completed)
}

func TestClaim_CountsResentClaimOnce(t *testing.T) {
	server := redistest.New(t)
	proxy := redistest.NewProxy(t, server)
	s := newStore(t, connect(t, proxy.Addr()), redisstore.Options{})
	for want := range 3 {
		proxy.LoseAnswers(want % 2)
		token := idempotency.NewToken()
		got, err := s.Claim(t.Context(), "key", token, time.Minute)
		require.NoError(t, err)
		require.Equal(t, idempotency.Claim{State: idempotency.Acquired, Attempt: want + 1}, got)
		require.NoError(t, s.Release(t.Context(), "key", token))
	}
}

// A caller releases its claim after a timeout. A copy of the claim may reach a paused server later.
func TestClaim_IgnoresLateCopyAfterRelease(t *testing.T) {
	client := &recorder{Client: connect(t, shared.Addr())}
	s := newStore(t, client, redisstore.Options{})
	require.NoError(t, s.Release(t.Context(), "key", claim(t, s, "key", idempotency.Acquired)))
	require.NoError(t, client.again(t.Context()))
	got, err := s.Claim(t.Context(), "key", idempotency.NewToken(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, idempotency.Claim{State: idempotency.Acquired, Attempt: 2}, got)
}

// A recorder keeps the last claim that the client sent.
type recorder struct {
	redisstore.Client
	again func(context.Context) error
}

func (r *recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if len(args) == 4 {
		r.again = func(ctx context.Context) error { return r.Client.EvalSha(ctx, sha, keys, args...).Err() }
	}
	return r.Client.EvalSha(ctx, sha, keys, args...)
}

func TestStore_RefusesOnlyNewKeysWhenFull(t *testing.T) {
	server := redistest.New(t, "--maxmemory-policy", "noeviction")
	s := newStore(t, connect(t, server.Addr()), redisstore.Options{})
	held := claim(t, s, "held", idempotency.Acquired)
	failing := claim(t, s, "failing", idempotency.Acquired)
	released := claim(t, s, "released", idempotency.Acquired)
	require.NoError(t, s.Release(t.Context(), "released", released))
	_, err := server.Do("CONFIG", "SET", "maxmemory", "1")
	require.NoError(t, err)

	_, err = s.Claim(t.Context(), "new", idempotency.NewToken(), time.Minute)
	require.ErrorIs(t, err, idempotency.ErrFull)
	claim(t, s, "held", idempotency.InFlight)
	require.NoError(t, s.Renew(t.Context(), "held", held, time.Hour))
	require.NoError(t, s.Complete(t.Context(), "held", held))
	claim(t, s, "held", idempotency.Completed)
	require.NoError(t, s.Release(t.Context(), "failing", failing))
	claim(t, s, "failing", idempotency.Acquired)
	claim(t, s, "released", idempotency.Acquired)

	_, err = server.Do("CONFIG", "SET", "maxmemory", "0")
	require.NoError(t, err)
	got, err := s.Claim(t.Context(), "new", idempotency.NewToken(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, idempotency.Claim{State: idempotency.Acquired, Attempt: 1}, got, "the refused claim stored nothing")
}

func TestStore_ReportsKeyOfOtherType(t *testing.T) {
	client := connect(t, shared.Addr())
	s := newStore(t, client, redisstore.Options{Namespace: "wrongtype"})
	require.NoError(t, client.Set(t.Context(), "wrongtype:key", "x", time.Minute).Err())
	_, err := s.Claim(t.Context(), "key", idempotency.NewToken(), time.Minute)
	require.ErrorContains(t, err, "redisstore: claim: ")
	require.ErrorContains(t, s.Complete(t.Context(), "key", idempotency.NewToken()), "redisstore: complete: ")
	require.ErrorContains(t, s.Release(t.Context(), "key", idempotency.NewToken()), "redisstore: release: ")
	require.ErrorContains(t, s.Renew(t.Context(), "key", idempotency.NewToken(), time.Minute), "redisstore: renew: ")
}

func TestStore_EndsHungCallAtDeadline(t *testing.T) {
	server := redistest.New(t)
	s := newStore(t, connect(t, server.Addr()), redisstore.Options{})
	claim(t, s, "warm", idempotency.Acquired)
	server.Pause()
	defer server.Resume()
	kit.Quick(t, 2*time.Second, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := s.Claim(ctx, "key", idempotency.NewToken(), time.Minute)
		require.Error(t, err)
	})
}
