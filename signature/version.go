package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // for WeakHMACSHA1
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

const (
	maxVersions  = 4
	maxSignature = ed25519.SignatureSize // bytes; also those of SHA-512
)

// A Version is one kind of signature that a sender makes: how it is computed and written.
type Version struct {
	// Prefix comes before each signature, in exactly this case. Examples are "sha256=" and "v1,". If the scheme has a
	// Separator or several Versions, the prefix is required: it marks the signatures of this version. Otherwise, the sender
	// may omit it.
	Prefix string

	// Algorithm defaults to [HMACSHA256].
	Algorithm Algorithm

	// Encoding is that of the signature. Defaults to [Hex], in either case.
	Encoding Encoding

	// KeyEncoding is how senders write the secret or the public key. By default its bytes are used as they are.
	KeyEncoding Encoding

	// KeyPrefixes may precede a secret and are not part of it, such as "whsec_". A key belongs to the first version with
	// a prefix that its secret has, and otherwise to the scheme's first version.
	KeyPrefixes []string

	// SeedPrefixes may precede an Ed25519 private key, such as "whsk_". Without them, a seed of 32 bytes would be read as a
	// public key.
	SeedPrefixes []string

	size int // of a signature in bytes; set by compileVersions, because comparing names takes longer than a MAC's block
}

// An Algorithm makes signatures.
type Algorithm string

// The algorithms.
const (
	HMACSHA256 Algorithm = "HMAC-SHA256"
	HMACSHA512 Algorithm = "HMAC-SHA512"

	// Ed25519 verifies with the sender's public key of 32 bytes. A private key verifies too, and can sign. It is a seed of
	// 32 bytes after one of the [Version].SeedPrefixes, or a seed and its public key, which have 64 bytes.
	Ed25519 Algorithm = "Ed25519"

	// WeakHMACSHA1 is for senders that offer nothing better. SHA-1 is broken for digests. No attack on HMAC-SHA1 is known.
	WeakHMACSHA1 Algorithm = "HMAC-SHA1"
)

// Size returns the size of a signature in bytes, or 0 for an unknown algorithm.
func (a Algorithm) Size() int {
	switch a {
	case HMACSHA256:
		return sha256.Size
	case HMACSHA512:
		return sha512.Size
	case Ed25519:
		return ed25519.SignatureSize
	case WeakHMACSHA1:
		return sha1.Size
	default:
		return 0
	}
}

// Verify reports, in constant time, whether sig is a signature over signed. secret has its decoded bytes. It is for
// explanations. A delivery is verified by a [Verifier].
func (a Algorithm) Verify(secret, signed, sig []byte) bool {
	if len(sig) != a.Size() {
		return false
	}
	if a == Ed25519 {
		if len(secret) == ed25519.PrivateKeySize {
			secret = secret[ed25519.PublicKeySize:]
		}
		return len(secret) == ed25519.PublicKeySize && ed25519.Verify(secret, signed, sig)
	}
	m := a.newMAC(secret)
	m.Write(signed)
	return hmac.Equal(m.Sum(nil), sig)
}

// newMAC returns a keyed MAC.
func (a Algorithm) newMAC(secret []byte) hash.Hash {
	switch a {
	case HMACSHA512:
		return hmac.New(sha512.New, secret)
	case WeakHMACSHA1:
		return hmac.New(sha1.New, secret)
	default:
		return hmac.New(sha256.New, secret)
	}
}

// An Encoding is how bytes are written as text.
type Encoding string

// The encodings.
const (
	Hex    Encoding = "hex"
	Base64 Encoding = "base64" // with padding; RFC 4648, section 4
)

// encode returns the text of b.
func (e Encoding) encode(b []byte) string {
	if e == Base64 {
		return base64.StdEncoding.EncodeToString(b)
	}
	return hex.EncodeToString(b)
}

// decode decodes exactly len(into) bytes. It checks the length first.
func (e Encoding) decode(into []byte, s string) bool {
	if e == Base64 {
		var buf [maxSignature + 2]byte
		var text [(maxSignature + 2) / 3 * 4]byte
		if len(s) != base64.StdEncoding.EncodedLen(len(into)) {
			return false
		}
		n, err := strictBase64.Decode(buf[:], text[:copy(text[:], s)])
		if err != nil || n != len(into) {
			return false
		}
		copy(into, buf[:n])
		return true
	}
	if len(s) != 2*len(into) {
		return false
	}
	var bad byte
	for i := range into {
		hi, lo := hexDigits[s[2*i]], hexDigits[s[2*i+1]]
		into[i] = hi<<4 | lo&0xf
		bad |= hi | lo
	}
	return bad <= 0xf
}

// strictBase64 refuses other texts of the same signature.
var strictBase64 = base64.StdEncoding.Strict()

// hexDigits maps every hex digit of either case to its value, and every other byte to 255. A table is faster than
// branches, because a branch predictor cannot predict the digits.
var hexDigits = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for value := range 16 {
		t["0123456789abcdef"[value]], t["0123456789ABCDEF"[value]] = byte(value), byte(value)
	}
	return t
}()

// compileVersions checks the versions and sets their defaults.
func (s *Scheme) compileVersions() error {
	if len(s.Versions) > maxVersions {
		return fmt.Errorf("signature: a Scheme has at most %[2]d Versions, not %[1]d", len(s.Versions), maxVersions)
	}
	marked := s.Separator != "" || len(s.Versions) > 1
	for i := range s.Versions {
		v := &s.Versions[i]
		if v.Algorithm == "" {
			v.Algorithm = HMACSHA256
		}
		if v.Encoding == "" {
			v.Encoding = Hex
		}
		v.size = v.Algorithm.Size()
		switch {
		case v.size == 0:
			return fmt.Errorf("signature: the Algorithm %q of a Version is unknown", v.Algorithm)
		case v.Algorithm != Ed25519 && len(v.SeedPrefixes) > 0:
			return errors.New("signature: only a Version of Ed25519 may have SeedPrefixes")
		case v.Encoding != Hex && v.Encoding != Base64, v.KeyEncoding != "" && v.KeyEncoding != Hex && v.KeyEncoding != Base64:
			return fmt.Errorf("signature: an Encoding of a Version is unknown: %q, %q", v.Encoding, v.KeyEncoding)
		case marked && v.Prefix == "":
			return errors.New("signature: every Version needs a Prefix if the Scheme has a Separator or several Versions")
		case s.Separator != "" && strings.Contains(v.Prefix, s.Separator):
			return fmt.Errorf("signature: the Prefix %q of a Version must not have the Scheme's Separator", v.Prefix)
		}
		for _, other := range s.Versions[:i] {
			if strings.HasPrefix(v.Prefix, other.Prefix) || strings.HasPrefix(other.Prefix, v.Prefix) {
				return fmt.Errorf("signature: the Prefix %q of a Version must not begin like the Prefix %q of another", v.Prefix, other.Prefix)
			}
		}
		for _, f := range s.Fields {
			if f.Element != "" && strings.HasPrefix(f.Element+"=", v.Prefix) {
				return fmt.Errorf("signature: the Prefix %q of a Version must not be that of the element %q", v.Prefix, f.Element)
			}
		}
	}
	return nil
}

// decode returns the index of the version that a secret belongs to, and the secret's bytes. The error does not quote the
// secret.
func (s *Scheme) decode(secret string) (version int, raw []byte, err error) {
	for i := range s.Versions {
		v := &s.Versions[i]
		for n, prefix := range slices.Concat(v.KeyPrefixes, v.SeedPrefixes) {
			bare, ok := strings.CutPrefix(secret, prefix)
			if !ok {
				continue
			}
			raw, err = v.decodeSecret(bare)
			if n >= len(v.KeyPrefixes) && len(raw) == ed25519.SeedSize {
				raw = ed25519.NewKeyFromSeed(raw)
			}
			return i, raw, err
		}
	}
	raw, err = s.Versions[0].decodeSecret(secret)
	return 0, raw, err
}

// decodeSecret returns the bytes of a secret without its prefix. The error does not quote the secret.
func (v *Version) decodeSecret(bare string) ([]byte, error) {
	raw := []byte(bare)
	var err error
	switch v.KeyEncoding {
	case Hex:
		raw, err = hex.DecodeString(bare)
	case Base64:
		// Other libraries accept a text whose last bits are not zero, so a sender may have given one out.
		raw, err = base64.StdEncoding.DecodeString(bare)
	}
	if err != nil {
		return nil, fmt.Errorf("must be in %s%s", v.KeyEncoding, v.prefixes())
	}
	if v.Algorithm == Ed25519 && len(raw) != ed25519.PublicKeySize && len(raw) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("must be an Ed25519 public key of %d bytes%s, not %d bytes", ed25519.PublicKeySize, v.prefixes(), len(raw))
	}
	return raw, nil
}

func (v *Version) prefixes() string {
	if len(v.KeyPrefixes) == 0 {
		return ""
	}
	return " after the prefix " + strings.Join(v.KeyPrefixes, " or ")
}

// Decode returns the version of a secret, and its bytes as the version's KeyEncoding says. The error does not quote the
// secret.
func (s Scheme) Decode(secret Secret) (Version, []byte, error) {
	c, err := s.compiled()
	if err != nil {
		return Version{}, nil, err
	}
	version, raw, err := c.decode(secret.Reveal())
	if err != nil {
		return Version{}, nil, fmt.Errorf("signature: the secret %w", err)
	}
	return c.Versions[version], raw, nil
}

// NewRandomKey returns a key with a new random secret, as the scheme's first version requires it.
func (s Scheme) NewRandomKey(name string) Key {
	v := Version{}
	if len(s.Versions) > 0 {
		v = s.Versions[0]
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	if v.Algorithm == Ed25519 {
		raw = ed25519.NewKeyFromSeed(raw)
	}
	text := string(raw)
	if v.KeyEncoding != "" {
		text = v.KeyEncoding.encode(raw)
	}
	if len(v.KeyPrefixes) > 0 {
		text = v.KeyPrefixes[len(v.KeyPrefixes)-1] + text
	}
	return NewKey(name, text)
}
