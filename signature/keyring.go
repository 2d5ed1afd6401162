package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxKeys is the maximum number of keys in a [Keyring]. A forged delivery costs one MAC per key and form. With Ed25519, it
// costs one verification per key, form and received signature. A delivery has at most 8 signatures.
const MaxKeys = 16

// A Key is a signing secret with a name. The name identifies the key during a rotation. It appears in observations, and
// is not secret.
type Key struct {
	Name   string
	Secret Secret

	// NotBefore and NotAfter are the lifetime of the key. A zero time is no bound. Outside its lifetime, a key verifies
	// nothing, but stays in the [Keyring]. Signing ignores the lifetime.
	NotBefore time.Time `json:",omitzero"`
	NotAfter  time.Time `json:",omitzero"` // the key is no longer valid at this time
}

// NewKey returns a key with that name and secret.
func NewKey(name, secret string) Key { return Key{Name: name, Secret: NewSecret(secret)} }

// ValidAt reports whether t is in the lifetime of the key.
func (k Key) ValidAt(t time.Time) bool {
	return (k.NotBefore.IsZero() || !t.Before(k.NotBefore)) && (k.NotAfter.IsZero() || t.Before(k.NotAfter))
}

// check returns an error if the key must not be used to sign or verify.
func (k Key) check() error {
	switch {
	case k.Secret.Blank():
		return fmt.Errorf("signature: the secret of key %q is blank", k.Name)
	case k.Secret.Reveal() == redacted:
		return fmt.Errorf("signature: the secret of key %q must not be %s: that is the text shown instead of a secret", k.Name, redacted)
	default:
		return nil
	}
}

// A Keyring holds the live keys. It is safe for concurrent use. The zero Keyring has no keys, so nothing verifies.
type Keyring struct {
	scheme *Scheme // nil for the zero Scheme's versions
	live   atomic.Pointer[[]*liveKey]

	setting  sync.Mutex
	previous atomic.Pointer[[]*liveKey] // the latest first
}

// NewKeyring returns a ring with keys for deliveries of scheme s. It returns an error if s is invalid, and by the rules of
// [Keyring.Set].
func NewKeyring(s Scheme, keys ...Key) (*Keyring, error) {
	compiled, err := s.compiled()
	if err != nil {
		return nil, err
	}
	r := &Keyring{scheme: compiled}
	if err := r.Set(keys...); err != nil {
		return nil, err
	}
	return r, nil
}

// Set replaces all keys at once. A delivery that is being verified finishes with the keys it started with. Set returns
// an error, and changes nothing, in these cases: there is no key or more than [MaxKeys], a key has no name, two keys
// have the same name, a NotAfter is not after its NotBefore, or a secret is blank, is "[redacted]", or is not written as its
// [Version] requires.
//
// The ring remembers the last [MaxKeys] previous keys for explanations: see [Keyring.Previous]. They never verify a
// delivery, and [Keyring.Names] does not list them. A program that must not keep such a secret in memory creates a new
// Keyring.
func (r *Keyring) Set(keys ...Key) error {
	if len(keys) == 0 {
		return errors.New("signature: at least one key is needed")
	}
	if len(keys) > MaxKeys {
		return fmt.Errorf("signature: a Keyring holds at most %[2]d keys, not %[1]d", len(keys), MaxKeys)
	}
	live := make([]*liveKey, 0, len(keys))
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		if strings.TrimSpace(k.Name) == "" {
			return errors.New("signature: every key needs a name")
		}
		if seen[k.Name] {
			return fmt.Errorf("signature: two keys have the name %q", k.Name)
		}
		if !k.NotAfter.IsZero() && !k.NotAfter.After(k.NotBefore) {
			return fmt.Errorf("signature: NotAfter of key %q must be after NotBefore", k.Name)
		}
		key, err := newLiveKey(r.scheme, k)
		if err != nil {
			return err
		}
		seen[k.Name] = true
		live = append(live, key)
	}
	r.setting.Lock()
	defer r.setting.Unlock()
	before := r.keys()
	if previous := r.previous.Load(); previous != nil {
		before = slices.Concat(before, *previous)
	}
	previous := notLive(before, live)
	r.previous.Store(&previous)
	r.live.Store(&live)
	return nil
}

// notLive returns the keys whose secrets are not live: each secret once, and at most MaxKeys.
func notLive(keys, live []*liveKey) []*liveKey {
	seen := make(map[string]bool)
	for _, k := range live {
		seen[k.Secret.Reveal()] = true
	}
	var others []*liveKey
	for _, k := range keys {
		if secret := k.Secret.Reveal(); !seen[secret] && len(others) < MaxKeys {
			seen[secret] = true
			others = append(others, k)
		}
	}
	return others
}

// Keys returns the live keys with their secrets, in the order of Set. Keys outside their lifetime are among them.
func (r *Keyring) Keys() []Key { return withSecrets(r.keys()) }

// Previous returns the previous keys, the latest first. They were live before, and verify nothing now. Package diagnose
// uses them to recognize a delivery that was signed with one.
func (r *Keyring) Previous() []Key {
	if r == nil {
		return nil
	}
	if previous := r.previous.Load(); previous != nil {
		return withSecrets(*previous)
	}
	return nil
}

func withSecrets(keys []*liveKey) []Key {
	all := make([]Key, len(keys))
	for i, k := range keys {
		all[i] = k.Key
	}
	return all
}

// Names returns the names of the keys that [Keyring.Keys] returns, in the same order.
func (r *Keyring) Names() []string {
	live := r.keys()
	names := make([]string, len(live))
	for i, k := range live {
		names[i] = k.Name
	}
	return names
}

func (r *Keyring) keys() []*liveKey {
	if r == nil {
		return nil
	}
	if live := r.live.Load(); live != nil {
		return *live
	}
	return nil
}
