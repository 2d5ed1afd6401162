package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
	"time"
)

// A liveKey is a key that is prepared for verifying. Keying an HMAC costs two blocks of its hash and several allocations.
type liveKey struct {
	Key            // as given
	bounded   bool // the key has a lifetime
	version   int
	algorithm Algorithm          // of the version
	public    ed25519.PublicKey  // nil for a MAC
	private   ed25519.PrivateKey // nil unless it was given
	macs      sync.Pool          // of *mac
}

// A mac computes one signature at a time.
type mac struct {
	hash          hash.Hash // nil for Ed25519, which needs all signed bytes in one piece
	sum           [maxSignature]byte
	before, after []byte // buffers for the signed bytes
	whole         []byte
}

// zeroScheme has the versions of a Keyring without a scheme.
var zeroScheme = &Scheme{Versions: []Version{{Algorithm: HMACSHA256, Encoding: Hex, size: sha256.Size}}}

func newLiveKey(s *Scheme, k Key) (*liveKey, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	if s == nil {
		s = zeroScheme
	}
	version, raw, err := s.decode(k.Secret.Reveal())
	if err != nil {
		return nil, fmt.Errorf("signature: the secret of key %q %w", k.Name, err)
	}
	v, secret := &s.Versions[version], raw
	if v.Algorithm == Ed25519 {
		secret = raw[:ed25519.SeedSize] // of a private key, the seed: its public key is never blank
	}
	if len(bytes.Trim(secret, "\x00")) == 0 {
		return nil, fmt.Errorf("signature: the secret of key %q is blank", k.Name)
	}
	live := &liveKey{Key: k, bounded: !k.NotBefore.IsZero() || !k.NotAfter.IsZero(), version: version, algorithm: v.Algorithm}
	live.macs.New = func() any {
		return &mac{hash: v.Algorithm.newMAC(raw), before: make([]byte, 0, maxFields*(maxOpaque+1))}
	}
	if v.Algorithm == Ed25519 {
		live.macs.New = func() any { return new(mac) }
		if len(raw) == ed25519.PrivateKeySize {
			live.private = raw
			live.public = live.private.Public().(ed25519.PublicKey)
		} else {
			live.public = raw
		}
	}
	live.macs.Put(live.macs.New()) // crypto/hmac may panic on a short secret in FIPS mode: here, and not for a delivery
	return live, nil
}

// mayVerify reports whether the key may verify a delivery of s at a time. The zero time means time.Now(). A ring may be for
// another scheme by mistake: without a check, a public key could verify as the secret of a MAC.
func (k *liveKey) mayVerify(s *Scheme, at time.Time) bool {
	switch {
	case k.version >= len(s.Versions) || s.Versions[k.version].Algorithm != k.algorithm:
		return false
	case !k.bounded:
		return true
	case at.IsZero():
		at = time.Now()
	}
	return k.ValidAt(at)
}

// makes reports whether the key makes one of the received signatures, over the signed bytes of a form. It compares every
// signature, and each in constant time.
func (k *liveKey) makes(r *received, f *Form, body []byte) (ok bool) {
	if !r.has(k.version) {
		return false
	}
	m := k.macs.Get().(*mac)
	m.before, m.after = f.append(m.before[:0], m.after[:0], &r.fields)
	if k.public == nil {
		ok = r.hasMAC(k.version, m.over(m.before, body, m.after))
	} else {
		ok = r.hasSignature(k.version, k.public, m.join(m.before, body, m.after))
	}
	k.macs.Put(m)
	return ok
}

// over returns the MAC over the signed bytes. The result is valid until the next call.
func (m *mac) over(before, body, after []byte) []byte {
	m.hash.Reset()
	if len(before) > 0 {
		m.hash.Write(before)
	}
	m.hash.Write(body)
	if len(after) > 0 {
		m.hash.Write(after)
	}
	return m.hash.Sum(m.sum[:0])
}

// join returns the signed bytes in one piece. The result is valid until the next call.
func (m *mac) join(before, body, after []byte) []byte {
	m.whole = append(append(append(m.whole[:0], before...), body...), after...)
	return m.whole
}
