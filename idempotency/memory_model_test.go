package idempotency_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A modelKey is the state of one key by the rules. Between its retention and a quarter more, a key may be known or
// forgotten. The model then follows the store, but a forgotten key must stay forgotten.
type modelKey struct {
	token   idempotency.Token // of the last claim
	held    bool
	done    bool
	attempt int
	until   time.Time
	kept    time.Time // known until at least this time; zero if the key was never claimed
}

// Every random walk claims, renews, completes and releases a few keys with new and old tokens. Time passes in steps that end at,
// before and after each relevant time. The model can check every result.
func TestMemory_MatchesModel(t *testing.T) {
	for seed := range 300 {
		synctest.Test(t, func(t *testing.T) { walk(t, uint64(seed)) })
	}
}

func walk(t *testing.T, seed uint64) {
	// Short, so that every relevant time is reached, and not a multiple of four.
	const retention, lease, maxKeys = 43 * time.Nanosecond, 3 * time.Nanosecond, 5
	const forgotten = (retention+3)/4*5 - retention // after its retention, at the latest
	random := rand.New(rand.NewPCG(seed, 0))
	m := newMemory(t, &idempotency.MemoryOptions{Retention: retention, MaxKeys: maxKeys, Logger: slog.New(slog.DiscardHandler)})
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	model := make(map[string]*modelKey)
	for _, name := range names {
		model[name] = &modelKey{}
	}
	tokens := make(map[string][]idempotency.Token)
	steps := []time.Duration{1, 2, lease, lease + 1, forgotten, retention / 4, retention - 1, retention, retention + forgotten}

	for step := range 300 {
		name := names[random.IntN(len(names))]
		k, now := model[name], time.Now()
		surelyKnown := now.Before(k.kept)
		surelyForgotten := !now.Before(k.kept.Add(forgotten)) // also if it was never claimed: its time is in year 1
		if surelyForgotten {
			*k = modelKey{}
		}
		token := idempotency.NewToken()
		if old := tokens[name]; len(old) > 0 && random.IntN(3) > 0 {
			token = old[max(0, len(old)-1-random.IntN(2))]
		}
		switch random.IntN(6) {
		case 0, 1:
			token = idempotency.NewToken()
			got, err := m.Claim(t.Context(), name, token, lease)
			known, maybe := 0, 0
			for _, other := range model {
				if now.Before(other.kept) {
					known++
				} else if now.Before(other.kept.Add(forgotten)) {
					maybe++
				}
			}
			switch {
			case err != nil:
				require.ErrorIs(t, err, idempotency.ErrFull, "seed %d, step %d", seed, step)
				require.False(t, surelyKnown, "seed %d, step %d: %q is known", seed, step, name)
				require.GreaterOrEqual(t, known+maybe, maxKeys, "seed %d, step %d: not full", seed, step)
			case surelyKnown && k.done:
				require.Equal(t, idempotency.Completed, got.State, "seed %d, step %d: %q", seed, step, name)
			case surelyKnown && k.held && now.Before(k.until):
				require.Equal(t, idempotency.Claim{State: idempotency.InFlight, Remaining: k.until.Sub(now)}, got, "seed %d, step %d: %q", seed, step, name)
			case got.State == idempotency.Completed:
				require.True(t, k.done, "seed %d, step %d: %q was never completed", seed, step, name)
			default:
				require.Equal(t, idempotency.Acquired, got.State, "seed %d, step %d: %q", seed, step, name)
				switch {
				case surelyKnown:
					require.Equal(t, k.attempt+1, got.Attempt, "seed %d, step %d: %q", seed, step, name)
				case surelyForgotten, k.done:
					require.LessOrEqual(t, known, maxKeys-1, "seed %d, step %d: over the limit", seed, step)
					require.Equal(t, 1, got.Attempt, "seed %d, step %d: %q", seed, step, name)
				default:
					require.Contains(t, []int{1, k.attempt + 1}, got.Attempt, "seed %d, step %d: %q", seed, step, name)
				}
				until := now.Add(lease)
				*k = modelKey{token: token, held: true, attempt: got.Attempt, until: until, kept: until.Add(retention)}
				tokens[name] = append(tokens[name], token)
			}
		case 2:
			err := m.Complete(t.Context(), name, token)
			holds := k.held && k.token == token
			switch {
			case !holds || surelyForgotten:
				require.ErrorIs(t, err, idempotency.ErrLeaseLost, "seed %d, step %d: %q", seed, step, name)
			case surelyKnown:
				require.NoError(t, err, "seed %d, step %d: %q", seed, step, name)
			case err != nil:
				require.ErrorIs(t, err, idempotency.ErrLeaseLost, "seed %d, step %d: %q", seed, step, name)
			}
			if err == nil && !k.done {
				k.done, k.kept = true, now.Add(retention)
			}
		case 3:
			require.NoError(t, m.Release(t.Context(), name, token), "seed %d, step %d: %q", seed, step, name)
			if surelyKnown && k.held && !k.done && k.token == token {
				*k = modelKey{token: token, attempt: k.attempt, kept: now.Add(retention)}
			}
		case 4:
			renewed := time.Duration(1 + random.IntN(3*int(lease)))
			err := m.Renew(t.Context(), name, token, renewed)
			holds := k.held && k.token == token
			switch {
			case !holds || surelyForgotten:
				require.ErrorIs(t, err, idempotency.ErrLeaseLost, "seed %d, step %d: %q", seed, step, name)
			case surelyKnown:
				require.NoError(t, err, "seed %d, step %d: %q", seed, step, name)
			case err != nil:
				require.ErrorIs(t, err, idempotency.ErrLeaseLost, "seed %d, step %d: %q", seed, step, name)
			}
			if until := now.Add(renewed); err == nil && !k.done && until.After(k.until) {
				k.until, k.kept = until, until.Add(retention)
			}
		case 5:
			time.Sleep(steps[random.IntN(len(steps))] / time.Duration(1+random.IntN(4)))
		}
		require.LessOrEqual(t, m.Len(), maxKeys, "seed %d, step %d", seed, step)
	}
}
