package webhook_test

import (
	"context"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

// inboxFunc is an inbox whose Enqueue is a function.
type inboxFunc func(context.Context, *webhook.Delivery) (bool, error)

func (f inboxFunc) Enqueue(ctx context.Context, d *webhook.Delivery) (bool, error) { return f(ctx, d) }
func (inboxFunc) Store() idempotency.Store                                         { return nil }
func (inboxFunc) CheckHandler(string, string, int64) error                         { return nil }

// A brokenStore is a memory store that fails, or hangs, until it recovers.
type brokenStore struct {
	claimErr, completeErr, releaseErr error
	claimHangs                        time.Duration
	recovers                          time.Duration

	once   sync.Once
	memory *idempotency.Memory
	since  time.Time
}

func (s *brokenStore) open() *idempotency.Memory {
	s.once.Do(func() {
		s.memory, _ = idempotency.NewMemory(nil)
		s.since = time.Now()
	})
	return s.memory
}

// broken returns err until the store has recovered.
func (s *brokenStore) broken(err error) error {
	if s.recovers > 0 && time.Since(s.since) >= s.recovers {
		return nil
	}
	return err
}

func (s *brokenStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	memory := s.open()
	if err := s.broken(s.claimErr); err != nil {
		return idempotency.Claim{}, err
	}
	if s.claimHangs > 0 && s.broken(context.DeadlineExceeded) != nil {
		claim, err := memory.Claim(ctx, key, token, lease)
		time.Sleep(s.claimHangs) // ignores ctx: the claim is made, but the caller does not get it
		return claim, err
	}
	return memory.Claim(ctx, key, token, lease)
}

func (s *brokenStore) Complete(ctx context.Context, key string, token idempotency.Token) error {
	memory := s.open()
	if err := s.broken(s.completeErr); err != nil {
		return err
	}
	return memory.Complete(ctx, key, token)
}

func (s *brokenStore) Release(ctx context.Context, key string, token idempotency.Token) error {
	memory := s.open()
	if err := s.broken(s.releaseErr); err != nil {
		return err
	}
	return memory.Release(ctx, key, token)
}

func (s *brokenStore) Retention() time.Duration { return s.open().Retention() }
