package idempotencytest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A simple store keeps every rule except the one that fault breaks.
type simple struct {
	fault     fault
	retention time.Duration
	mu        sync.Mutex
	keys      map[string]simpleKey
	completed map[idempotency.Token]bool
}

type simpleKey struct {
	state    idempotency.State // Acquired also after a release
	token    idempotency.Token
	held     bool
	attempt  int
	until    time.Time // when the lease ends
	forgetAt time.Time
	claimed  time.Time
}

type fault string

const (
	none                 fault = ""
	noExclusivity        fault = "the look-up and the insert are two steps"
	leaseNeverEnds       fault = "a lease never ends"
	leaseEndsEarly       fault = "a lease ends after half its time"
	staleCompletes       fault = "complete does not look at the token"
	staleReleases        fault = "release does not look at the token"
	releaseIgnored       fault = "release does nothing"
	releaseUndoes        fault = "release makes a completed key free"
	attemptsForgotten    fault = "release deletes the key"
	lateCompleteRefused  fault = "complete fails after the lease"
	forgottenEarly       fault = "a completed key is forgotten after nine tenths of its retention"
	neverForgotten       fault = "a completed key is never forgotten"
	completesOnce        fault = "a second complete is refused"
	releasedCompletes    fault = "release keeps the token"
	countedFromClaim     fault = "the retention is counted from the claim"
	attemptsNotCounted   fault = "a retake does not count"
	attemptsNeverRestart fault = "the attempt count is kept when the key is forgotten"
	folded               fault = "keys are compared without regard to case"
	trimmed              fault = "keys are cut at 255 bytes"
	noRemaining          fault = "in flight does not report the remaining lease"
	wholeLeaseRemaining  fault = "in flight reports the whole lease"
	contextIgnored       fault = "an ended context is ignored"
	retentionUnderstated fault = "retention is less than was asked for"
	releaseUnknownFails  fault = "releasing an unknown key is an error"
	holderIsWelcome      fault = "the holder's second claim is acquired"
	firstIsZero          fault = "attempts count from zero"
	completeCreates      fault = "complete makes an unknown key known"
	anyLease             fault = "a lease of no time is a lease"
	inFlightForgotten    fault = "a key in flight is forgotten when the retention has passed since its claim"
	releasedForgotten    fault = "a released key is forgotten when the retention has passed since its claim"
	abandonedForgotten   fault = "an abandoned key is forgotten half a retention after its lease"
	cutAtNUL             fault = "keys end at their first NUL"
	madeValid            fault = "what is not UTF-8 in a key is replaced"
	completesInTwoSteps  fault = "complete looks at the token and writes in two steps"
	completionRemembered fault = "the token that completed a key can always do so again"
	releasedKept         fault = "a released key is never forgotten"
	tagsIgnored          fault = "a completed key is never under another tag"
	tagsDiffer           fault = "a completed key is always under another tag"
	renewIgnored         fault = "renew does nothing"
	renewEndsEarly       fault = "a renewed lease ends after half its time"
	renewAdds            fault = "a renewal counts from the end of the lease"
	renewShortens        fault = "a renewal for a shorter time makes the lease end earlier"
	renewCounts          fault = "a renewal counts as an attempt"
	lateRenewRefused     fault = "renew fails after the lease"
	staleRenews          fault = "renew does not look at the token"
	renewCreates         fault = "renew makes an unknown key known"
	releasedRenews       fault = "release keeps the token for renew"
	renewRestarts        fault = "renew makes a completed key in flight"
	renewKeepsCompleted  fault = "renew extends the retention of a completed key"
	renewCompletedFails  fault = "renewing a completed key is an error"
	renewedForgotten     fault = "a renewed key is forgotten as if it had not been renewed"
	renewsInTwoSteps     fault = "renew looks at the token and writes in two steps"
)

func (s *simple) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if ctx.Err() != nil && s.fault != contextIgnored {
		return idempotency.Claim{}, ctx.Err()
	}
	if lease <= 0 && s.fault != anyLease {
		return idempotency.Claim{}, errors.New("no lease")
	}
	key = s.stored(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, now := s.keys[key], time.Now()
	if k.state == idempotency.Completed && (s.fault == neverForgotten || now.Before(k.forgetAt)) {
		return idempotency.Claim{State: idempotency.Completed, OtherTag: s.fault == tagsDiffer || s.fault != tagsIgnored && k.token.Tag() != token.Tag()}, nil
	}
	if !now.Before(k.forgetAt) {
		k.held = false
		if s.fault != attemptsNeverRestart || k.state != idempotency.Completed {
			k.attempt = 0
		}
	}
	if k.held && (s.fault == leaseNeverEnds || now.Before(k.until)) && (s.fault != holderIsWelcome || k.token != token) {
		claim := idempotency.Claim{State: idempotency.InFlight, Remaining: k.until.Sub(now)}
		switch s.fault {
		case noRemaining:
			claim.Remaining = 0
		case wholeLeaseRemaining:
			claim.Remaining = k.until.Sub(k.claimed)
		}
		return claim, nil
	}
	if s.fault == noExclusivity {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	if !k.held || s.fault != attemptsNotCounted {
		k.attempt++
	}
	until := now.Add(lease)
	k = simpleKey{state: idempotency.Acquired, token: token, held: true, attempt: k.attempt, until: until, claimed: now, forgetAt: until.Add(s.retention)}
	switch s.fault {
	case leaseEndsEarly:
		k.until = now.Add(lease / 2)
	case inFlightForgotten:
		k.forgetAt = now.Add(s.retention)
	case abandonedForgotten:
		k.forgetAt = until.Add(s.retention / 2)
	}
	s.keys[key] = k
	if s.fault == firstIsZero {
		k.attempt--
	}
	return idempotency.Claim{State: idempotency.Acquired, Attempt: k.attempt}, nil
}

func (s *simple) Complete(ctx context.Context, key string, token idempotency.Token) error {
	if ctx.Err() != nil && s.fault != contextIgnored {
		return ctx.Err()
	}
	key = s.stored(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known := s.keys[key]
	switch {
	case s.fault == completionRemembered && s.completed[token]:
		return nil
	case !known && s.fault == completeCreates:
		s.keys[key] = simpleKey{state: idempotency.Acquired, attempt: 1, forgetAt: time.Now().Add(s.retention)}
		return idempotency.ErrLeaseLost
	case k.state == idempotency.Completed && !time.Now().Before(k.forgetAt) && s.fault != neverForgotten,
		k.state == idempotency.Completed && s.fault == completesOnce,
		!k.held && (s.fault != releasedCompletes || k.token == idempotency.Token{}),
		k.token != token && s.fault != staleCompletes,
		s.fault == lateCompleteRefused && !time.Now().Before(k.until):
		return idempotency.ErrLeaseLost
	case k.state == idempotency.Completed:
		return nil
	}
	if s.fault == completesInTwoSteps {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	s.completed[token] = true
	k.state, k.forgetAt = idempotency.Completed, time.Now().Add(s.retention)
	switch s.fault {
	case countedFromClaim:
		k.forgetAt = k.claimed.Add(s.retention)
	case forgottenEarly:
		k.forgetAt = time.Now().Add(s.retention * 9 / 10)
	}
	k.until = k.forgetAt
	s.keys[key] = k
	return nil
}

func (s *simple) Release(ctx context.Context, key string, token idempotency.Token) error {
	if ctx.Err() != nil && s.fault != contextIgnored {
		return ctx.Err()
	}
	key = s.stored(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known := s.keys[key]
	switch {
	case !known && s.fault == releaseUnknownFails:
		return errors.New("no such key")
	case !k.held, s.fault == releaseIgnored,
		k.token != token && s.fault != staleReleases,
		k.state == idempotency.Completed && s.fault != releaseUndoes:
		return nil
	case s.fault == attemptsForgotten:
		delete(s.keys, key)
		return nil
	}
	k.state, k.held, k.forgetAt = idempotency.Acquired, false, time.Now().Add(s.retention)
	switch s.fault {
	case releasedForgotten:
		k.forgetAt = k.claimed.Add(s.retention)
	case releasedKept:
		k.forgetAt = k.forgetAt.Add(s.retention)
	}
	if s.fault != releasedCompletes && s.fault != releasedRenews {
		k.token = idempotency.Token{}
	}
	s.keys[key] = k
	return nil
}

func (s *simple) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	if ctx.Err() != nil && s.fault != contextIgnored {
		return ctx.Err()
	}
	if lease <= 0 && s.fault != anyLease {
		return errors.New("no lease")
	}
	key = s.stored(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known := s.keys[key]
	now := time.Now()
	switch {
	case s.fault == renewIgnored:
		return nil
	case !known && s.fault == renewCreates:
		s.keys[key] = simpleKey{state: idempotency.Acquired, attempt: 1, forgetAt: now.Add(s.retention)}
		return idempotency.ErrLeaseLost
	case !known, !now.Before(k.forgetAt),
		!k.held && s.fault != releasedRenews,
		k.token != token && s.fault != staleRenews,
		k.state == idempotency.Completed && s.fault == renewCompletedFails,
		s.fault == lateRenewRefused && !now.Before(k.until):
		return idempotency.ErrLeaseLost
	case k.state == idempotency.Completed && s.fault == renewKeepsCompleted:
		k.forgetAt = now.Add(lease + s.retention)
		s.keys[key] = k
		return nil
	case k.state == idempotency.Completed && s.fault != renewRestarts:
		return nil
	}
	if s.fault == renewsInTwoSteps {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	until := now.Add(lease)
	switch s.fault {
	case renewEndsEarly:
		until = now.Add(lease / 2)
	case renewAdds:
		until = k.until.Add(lease)
	}
	if until.After(k.until) || s.fault == renewShortens {
		k.until = until
		if s.fault != renewedForgotten {
			k.forgetAt = until.Add(s.retention)
		}
	}
	if s.fault == renewCounts {
		k.attempt++
	}
	k.state, k.held = idempotency.Acquired, true
	s.keys[key] = k
	return nil
}

func (s *simple) Retention() time.Duration {
	if s.fault == retentionUnderstated {
		return s.retention - 1
	}
	return s.retention
}

func (s *simple) stored(key string) string {
	switch {
	case s.fault == folded:
		return strings.ToLower(key)
	case s.fault == trimmed && len(key) > 255:
		return key[:255]
	case s.fault == cutAtNUL:
		key, _, _ = strings.Cut(key, "\x00")
	case s.fault == madeValid:
		return strings.ToValidUTF8(key, "\ufffd")
	}
	return key
}

func newSimple(f fault) func(testing.TB, time.Duration) idempotency.Store {
	return func(_ testing.TB, retention time.Duration) idempotency.Store {
		return &simple{fault: f, retention: retention, keys: make(map[string]simpleKey), completed: make(map[idempotency.Token]bool)}
	}
}
