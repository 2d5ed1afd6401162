package webhook_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A recordingStore is a memory store that records its calls. In a broken world some calls fail.
type recordingStore struct {
	*idempotency.Memory
	model *model

	mu        sync.Mutex
	calls     map[string]int
	leases    map[idempotency.Token]time.Time // when they end, by the store's clock
	completed map[string]idempotency.Token
	failed    map[idempotency.Token]bool // tokens whose completion, or its result, was lost
}

// do runs a call to the store with random faults, and records its effect.
func (s *recordingStore) do(ctx context.Context, what, key string, token idempotency.Token, effect func(context.Context) error) error {
	s.mu.Lock()
	s.calls[what]++
	dice := s.model.dice(what, s.calls[what])
	s.mu.Unlock()
	var lost error
	if s.model.world == broken && time.Since(s.model.start) < modelFaults && dice.IntN(4) == 0 {
		s.mu.Lock()
		s.failed[token] = s.failed[token] || what == "complete"
		s.mu.Unlock()
		switch dice.IntN(4) {
		case 0:
			return errors.New("the store is down")
		case 1:
			lost = errors.New("the store's result was lost")
		case 2:
			time.Sleep(upTo(dice, 5*time.Second)) // ignores its context
			ctx = context.WithoutCancel(ctx)
		default:
			panic("the store panics")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := effect(ctx); err != nil {
		return err
	}
	return lost
}

func (s *recordingStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (claim idempotency.Claim, err error) {
	err = s.do(ctx, "claim", key, token, func(ctx context.Context) (err error) {
		claim, err = s.Memory.Claim(ctx, key, token, lease)
		if claim.State == idempotency.Acquired {
			s.leases[token] = time.Now().Add(lease)
		}
		return err
	})
	return claim, err
}

func (s *recordingStore) Complete(ctx context.Context, key string, token idempotency.Token) error {
	return s.do(ctx, "complete", key, token, func(ctx context.Context) error {
		if err := s.Memory.Complete(ctx, key, token); err != nil {
			return err
		}
		by, again := s.completed[key]
		s.model.check(!again || by == token, "two completions of %s were accepted", key)
		s.completed[key] = token
		return nil
	})
}

func (s *recordingStore) Release(ctx context.Context, key string, token idempotency.Token) error {
	return s.do(ctx, "release", key, token, func(ctx context.Context) error { return s.Memory.Release(ctx, key, token) })
}

func (s *recordingStore) by(key string) (idempotency.Token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.completed[key]
	return token, ok
}

func (s *recordingStore) leaseOf(token idempotency.Token) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases[token]
}
