package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxKeys is the maximum number of keys in a [Keyring]. A forged delivery costs one MAC per key and form.
const MaxKeys = 16

// A Key is a signing secret with a name. The name identifies the key during a rotation. It appears in observations, and
// is not secret.
type Key struct {
	Name   string
	Secret Secret
}

// NewKey returns a key with that name and secret.
func NewKey(name, secret string) Key { return Key{Name: name, Secret: NewSecret(secret)} }

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
	live atomic.Pointer[[]*liveKey]

	setting  sync.Mutex
	previous atomic.Pointer[[]*liveKey] // the latest first
}

// NewKeyring returns a ring with keys. It returns an error by the rules of [Keyring.Set].
func NewKeyring(keys ...Key) (*Keyring, error) {
	r := new(Keyring)
	if err := r.Set(keys...); err != nil {
		return nil, err
	}
	return r, nil
}

// Set replaces all keys at once. A delivery that is being verified finishes with the keys it started with. Set returns
// an error, and changes nothing, in these cases: there is no key or more than [MaxKeys], a key has no name, two keys
// have the same name, or a secret is blank or "[redacted]".
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
		if err := k.check(); err != nil {
			return err
		}
		seen[k.Name] = true
		live = append(live, newLiveKey(k))
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
		seen[k.secret.Reveal()] = true
	}
	var others []*liveKey
	for _, k := range keys {
		if secret := k.secret.Reveal(); !seen[secret] && len(others) < MaxKeys {
			seen[secret] = true
			others = append(others, k)
		}
	}
	return others
}

// Keys returns the live keys with their secrets, in the order of Set.
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
		all[i] = Key{Name: k.name, Secret: k.secret}
	}
	return all
}

// Names returns the names of the live keys, in the order of Set.
func (r *Keyring) Names() []string {
	live := r.keys()
	names := make([]string, len(live))
	for i, k := range live {
		names[i] = k.name
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

// A liveKey is a key with prepared MACs. Keying an HMAC costs two blocks of SHA-256 and several allocations.
type liveKey struct {
	name   string
	secret Secret    // for Keys and Previous
	macs   sync.Pool // of *mac
}

type mac struct {
	hash   hash.Hash
	sum    [sha256.Size]byte
	prefix []byte
}

func newLiveKey(k Key) *liveKey {
	secret := k.Secret
	live := &liveKey{name: k.Name, secret: secret}
	live.macs.New = func() any {
		return &mac{hash: hmac.New(sha256.New, []byte(secret.Reveal())), prefix: make([]byte, 0, maxFields*(maxOpaque+1))}
	}
	live.macs.Put(live.macs.New()) // crypto/hmac may panic on a short secret in FIPS mode: here, and not for a delivery
	return live
}

// makes reports, in constant time, whether the key's MAC over the covered values and body is want.
func (k *liveKey) makes(want *[sha256.Size]byte, covered []string, body []byte) bool {
	m := k.macs.Get().(*mac)
	equal := hmac.Equal(m.over(covered, body), want[:])
	k.macs.Put(m)
	return equal
}

// over returns the MAC over the covered values and body. The result is valid until the next call.
func (m *mac) over(covered []string, body []byte) []byte {
	m.hash.Reset()
	if len(covered) > 0 {
		m.prefix = appendPrefix(m.prefix[:0], covered)
		m.hash.Write(m.prefix)
	}
	m.hash.Write(body)
	return m.hash.Sum(m.sum[:0])
}
